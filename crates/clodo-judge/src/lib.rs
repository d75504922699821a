//! Judges a canary against the baseline that serves beside it.
//!
//! | you have | start at |
//! |---|---|
//! | counts of requests and errors, again and again | [`Judge`], fed with a [`Batch`] |
//! | latencies too | [`Histogram`], for an [`Arm`] |
//! | a verdict to act on | [`Verdict`] |
//! | somebody who asks why | [`Judge::report`] |
//!
//! # Example
//! ```
//! use clodo_judge::{Arm, Batch, Judge, JudgeOptions, Verdict};
//!
//! let mut judge = Judge::new(JudgeOptions::default().with_quantiles([]))?;
//! assert!(matches!(judge.verdict(), Verdict::Inconclusive { .. }), "nothing is known yet");
//!
//! // Every minute 900 requests to the baseline and 100 to the canary: 5 errors, and 3.
//! let batch = Batch::new(Arm::new(900, 5), Arm::new(100, 3));
//! let minutes = (1..=60).find(|_| {
//!     judge.observe(&batch).expect("there are no more errors than requests");
//!     judge.verdict() != judge_is_unsure(&judge)
//! });
//! # fn judge_is_unsure(_: &Judge) -> Verdict { Verdict::NotWorse }
//! # Ok::<_, clodo_judge::OptionsError>(())
//! ```

mod batch;
mod bets;
mod counts;
mod criterion;
mod growth;
mod histogram;
mod judge;
mod metric;
mod null;
mod options;
mod quantile;
mod report;
mod verdict;
mod wealth;

pub use batch::{Arm, Batch, BatchError, Side};
pub use counts::Counts;
pub use histogram::{Bounds, Histogram, HistogramError};
pub use judge::Judge;
pub use metric::{Metric, MetricError};
pub use options::{JudgeOptions, Margin, OptionsError};
pub use quantile::{Quantile, QuantileError};
pub use report::{JudgeReport, MetricReport, Progress};
pub use verdict::{Evidence, Missing, Thresholds, Verdict};
