use super::{Draft, target::Writer};
use crate::{desired::DesiredTarget, observed::ObservedWorker};
use clodo_saga::StepId;
use clodo_types::Severity;
use serde_json::{Value, json};

/// Whether an upload to a Worker that exists brings migrations of Durable Objects that it lacks.
pub(super) fn migrates(
    draft: &Draft<'_>,
    target: &DesiredTarget,
    live: Option<&ObservedWorker>,
    recorded: Option<&Value>,
) -> bool {
    let (Some(newest), Some(live)) = (target.object_migrations.last(), live) else { return false };
    let upload = StepId::new(format!("upload {}", target.worker_ref()));
    // An interrupted deployment may have migrated them: then nothing is left to share traffic with.
    if draft.was_interrupted(&upload) {
        return true;
    }
    if target.strategy.splits() {
        return live.migration_tag.as_deref() != newest["tag"].as_str();
    }
    recorded.is_some_and(|recorded| {
        let were = recorded.get("migrations").cloned().unwrap_or_else(|| json!([]));
        were != json!(target.object_migrations)
    })
}

impl Writer<'_, '_> {
    /// Says what becomes of a strategy that cannot be followed.
    pub(super) fn note_migrations(&mut self) {
        if !self.target.strategy.splits() {
            return;
        }
        let message = format!(
            "{} gets all traffic at once and not by `{}`: its upload brings migrations of Durable \
             Objects, and Cloudflare cannot share traffic between versions then",
            self.target.id,
            self.target.strategy.word(),
        );
        let hint = "deploy the migration alone first, and the code that needs it afterwards";
        self.draft.object("migrations-at-once", Severity::Note, message, hint);
    }
}
