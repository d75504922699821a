use super::super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::{Entry, ModuleKind, UploadModule, WorkerUpload, workers};
use clodo_orchestrator::{
    Applied, Before, Inputs, Look, Mark, PlatformError, PlatformErrorKind, Preview, WorkerRef,
};
use clodo_types::PortfolioName;

/// What a Worker answers that others are bound to before its own code can come.
const CODE: &str = "export default { fetch() { return new Response(\"not deployed yet\", \
                    { status: 503, headers: { \"retry-after\": \"5\" } }) } };\n";
const MODULE: &str = "stub.js";

impl CloudflarePlatform {
    /// The listing says it all.
    pub(in super::super) fn look_stub(inputs: &Inputs) -> Look {
        match inputs.worker {
            Some(_) => Look::done(Before::Present, Applied::Done),
            None => Look::pending(Before::Absent),
        }
    }

    pub(in super::super) async fn create_stub(
        &self,
        worker: &WorkerRef,
        owner: &PortfolioName,
        preview: Option<&Preview>,
    ) -> Result<Applied, PlatformError> {
        let account = self.account(&worker.account)?;
        let (owner, preview) = (Some(owner.clone()), preview.cloned());
        let owner = Mark { owner, hashes: None, preview };
        let module = UploadModule::new(MODULE, ModuleKind::EsModule, CODE);
        let upload = WorkerUpload {
            entry: Entry::MainModule(MODULE.to_owned()),
            modules: vec![module],
            compatibility_date: Some("2026-01-01".to_owned()),
            message: Some("clodo: a place for others to be bound to".to_owned()),
            tags: Some(owner.to_tags::<String>(&[])),
            ..WorkerUpload::default()
        };
        let doing = format!("could not create `{}`", worker.worker);
        let put = workers::put_script(account, &worker.worker, &upload);
        let put = put.map_err(|error| {
            PlatformError::new(PlatformErrorKind::Refused, doing.clone()).with_source(error)
        })?;
        self.client.send(put).await.map_err(failed(doing))?;
        Ok(Applied::Done)
    }
}
