//! Judges a canary against the baseline beside it, by a sequential test that may be looked at any
//! time.
//!
//! | you have | start at |
//! |---|---|
//! | requests and errors of both versions, again and again | [`Judge`], fed with a [`Batch`] |
//! | their latencies too | [`Histogram`], which goes into an [`Arm`] |
//! | a decision to make | [`Verdict`] |
//! | somebody who asks why, or how much longer | [`Judge::report`] |
//! | a roll-out to plan | [`JudgeOptions::requests_to_promote`] |
//!
//! # Example
//! ```
//! use clodo_judge::{Arm, Batch, Judge, JudgeOptions, Verdict};
//!
//! let mut judge = Judge::new(JudgeOptions::default().with_quantiles([]))?;
//! // What both versions did since the last poll: 5 of 900 requests failed, and 3 of 100.
//! let poll = Batch::new(Arm::new(900, 5), Arm::new(100, 3));
//! let evidence = loop {
//!     judge.observe(&poll)?;
//!     // Between two polls it may be stored; it goes on exactly where it was.
//!     judge = serde_json::from_str(&serde_json::to_string(&judge)?)?;
//!     match judge.verdict() {
//!         Verdict::Inconclusive { .. } => {}
//!         Verdict::Worse(evidence) => break evidence,
//!         Verdict::NotWorse => panic!("3 % beside 0.6 %"),
//!     }
//! };
//! assert_eq!(evidence.to_string().split(" (").next(), Some("errors, 9 of 300 beside 15 of 2700"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//! Asked after every batch, for as long as one likes, about batches of any sizes:
//!
//! - A canary that is as good as the baseline is ever called worse with a probability of at most
//!   `alpha_worse`, 1 %. This needs no minimum of requests.
//! - One that is worse by a margin or more is ever called not worse with a probability of at most
//!   `alpha_promote`, 5 %. No data never promotes.
//! - Both versions may get better or worse together meanwhile, and the traffic may be shared out
//!   anew: only what happened in the same batch is compared.
//!
//! The statistics are e-values for two streams of yes and no (Turner, Ly and Grünwald) and Ville's
//! inequality; `docs/canary.md` names the sources, what else must hold, and what ten thousand
//! simulated roll-outs a line have shown.
//!
//! # What this crate leaves to others
//! Telemetry, the clock, when to look, what to do. It does no I/O, and the same batches lead to the
//! same verdicts.
//!
//! # Features
//! None. Everything that is fed or comes out can be serialised.

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
