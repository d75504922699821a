//! The limits of Cloudflare's paid plan, as documented; what one machine can bear is lower.

use std::time::Duration;

/// `step.do` of an instance, where the Workflow says nothing.
pub(crate) const STEPS: u32 = 10_000;
/// Instances of a Workflow that run at once. Cloudflare goes up to 50,000 of an account.
pub(crate) const CONCURRENCY: usize = 100;
/// The length of an instance's id.
pub(crate) const INSTANCE_ID: usize = 100;
/// Parameters, the payload of an event, the result of a step.
pub(crate) const VALUE: usize = 1024 * 1024;
/// All that an instance keeps.
pub(crate) const STATE: i64 = 1024 * 1024 * 1024;
/// The length of a step's name.
pub(crate) const STEP_NAME: usize = 256;
/// The length of an event's type.
pub(crate) const EVENT_TYPE: usize = 100;
/// How long an instance is kept after its end, where nobody says anything.
pub(crate) const RETENTION: Duration = Duration::from_secs(7 * 86_400);
