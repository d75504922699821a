use clodo_orchestrator::PreviewName;
use clodo_types::{
    BindingName, BucketName, DatabaseName, NameError, NamespaceTitle, QueueName, ServiceName,
    TargetId, WorkerName, WorkflowName,
};
use clodo_wrangler::WorkerConfig;

/// What a target's Worker and its resources are called on Cloudflare.
///
/// A Worker is called as wrangler would call it: the config's `name` (else the service's), then
/// `-<environment>` unless the wrangler config has a section for the environment (then that
/// section decides) or the environment is the unnamed top-level one, then `-<customer>`.
///
/// Databases, namespaces and buckets without a name of their own are called `<worker>-<binding>`,
/// as wrangler's provisioning does. Those with one get the same suffixes as the Worker, except that
/// in a section for the environment names are complete: wrangler inherits no bindings, so they were
/// written for that environment.
///
/// A preview's copy of any of these is called the same with `-pr-<preview>` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Naming {
    worker: WorkerName,
    suffix: String,
    preview: Option<Copies>,
}

/// Names of copies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copies {
    name: PreviewName,
    /// The Worker of which the Worker is a copy.
    original: WorkerName,
}

/// A longer name gets no hostname, or is no name of a bucket.
const LONGEST: usize = 63;

impl Naming {
    /// Works out the names for one target.
    ///
    /// `top_level` is true in a folder without `clodo.toml`, for the environment that is meant when
    /// none is named.
    pub(crate) fn new(
        target: &TargetId,
        config: &WorkerConfig,
        top_level: bool,
    ) -> Result<Self, NameError> {
        let base = base_name(&target.service, config);
        let by_customer = target.customer.as_ref().map(|customer| format!("-{customer}"));
        let by_customer = by_customer.unwrap_or_default();
        let with_environment = format!("-{}{by_customer}", target.environment);
        // wrangler gives the name of a section for the environment its suffix already.
        let is_named = top_level || (config.has_environment && config.name.is_some());
        let in_name = if is_named { &by_customer } else { &with_environment };
        let worker = format!("{base}{in_name}").parse()?;
        let is_own = top_level || config.has_environment;
        let suffix = if is_own { by_customer } else { with_environment };
        Ok(Self { worker, suffix, preview: None })
    }

    /// What the copies of these are called that a preview has.
    pub(crate) fn of_preview(self, name: &PreviewName) -> Result<Self, NameError> {
        let worker = name.name_of_copy(self.worker.as_str(), LONGEST).parse()?;
        let preview = Some(Copies { name: name.clone(), original: self.worker });
        Ok(Self { worker, suffix: self.suffix, preview })
    }

    /// The Worker.
    pub(crate) fn worker(&self) -> &WorkerName {
        &self.worker
    }

    /// What stands behind the names of resources that have a name of their own.
    pub(crate) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// True when neither environment nor customer nor preview show in names, so that ids in the wrangler config
    /// are meant for this target alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.suffix.is_empty() && self.preview.is_none()
    }

    /// A D1 database.
    pub(crate) fn database(
        &self,
        binding: &BindingName,
        own: Option<&DatabaseName>,
    ) -> Result<DatabaseName, NameError> {
        self.resource(binding, own.map(DatabaseName::as_str)).parse()
    }

    /// A KV namespace.
    pub(crate) fn namespace(&self, binding: &BindingName) -> Result<NamespaceTitle, NameError> {
        self.resource(binding, None).parse()
    }

    /// An R2 bucket; its name must be in lower case, so it is lowered.
    pub(crate) fn bucket(
        &self,
        binding: &BindingName,
        own: Option<&BucketName>,
    ) -> Result<BucketName, NameError> {
        self.resource(binding, own.map(BucketName::as_str))
            .to_ascii_lowercase()
            .replace('_', "-")
            .parse()
    }

    /// A queue. Who sends to it and who receives from it name the same one.
    pub(crate) fn queue(&self, own: &QueueName) -> Result<QueueName, NameError> {
        self.named(own.as_str()).parse()
    }

    /// A Workflow. Who makes instances of it and who holds its class name the same one.
    pub(crate) fn workflow(&self, own: &WorkflowName) -> Result<WorkflowName, NameError> {
        self.named(own.as_str()).parse()
    }

    fn named(&self, own: &str) -> String {
        let name = format!("{own}{}", self.suffix);
        match &self.preview {
            Some(copies) => copies.name.name_of_copy(&name, LONGEST),
            None => name,
        }
    }

    fn resource(&self, binding: &BindingName, own: Option<&str>) -> String {
        if let Some(own) = own {
            return self.named(own);
        }
        let original = self.preview.as_ref().map_or(&self.worker, |copies| &copies.original);
        let binding = binding.as_str().to_ascii_lowercase().replace('_', "-");
        let name = format!("{original}-{binding}");
        match &self.preview {
            Some(copies) => copies.name.name_of_copy(&name, LONGEST),
            None => name,
        }
    }
}

fn base_name<'a>(service: &'a ServiceName, config: &'a WorkerConfig) -> &'a str {
    config.name.as_ref().map_or(service.as_str(), WorkerName::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(customer: Option<&str>) -> TargetId {
        TargetId {
            service: "orders".parse().unwrap(),
            environment: "production".parse().unwrap(),
            customer: customer.map(|name| name.parse().unwrap()),
            account: "main".parse().unwrap(),
        }
    }

    fn config(name: &str) -> WorkerConfig {
        let mut config = WorkerConfig::default();
        config.name = Some(name.parse().unwrap());
        config
    }

    #[track_caller]
    fn check(target: &TargetId, config: &WorkerConfig, top_level: bool, want: [&str; 3]) {
        let naming = Naming::new(target, config, top_level).unwrap();
        let db: BindingName = "MY_DB".parse().unwrap();
        let own: DatabaseName = "main".parse().unwrap();
        let got = [
            naming.worker().to_string(),
            naming.database(&db, None).unwrap().to_string(),
            naming.database(&db, Some(&own)).unwrap().to_string(),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn environment_and_customer_are_suffixes() {
        let want = ["shop-production-acme", "shop-production-acme-my-db", "main-production-acme"];
        check(&target(Some("acme")), &config("shop"), false, want);
        let want = ["shop-production", "shop-production-my-db", "main-production"];
        check(&target(None), &config("shop"), false, want);
    }

    #[test]
    fn a_folder_without_clodo_toml_is_named_as_wrangler_names_it() {
        check(&target(None), &config("shop"), true, ["shop", "shop-my-db", "main"]);
    }

    #[test]
    fn a_wrangler_environment_names_the_worker() {
        let mut own = config("shop-live");
        own.has_environment = true;
        own.name_from_environment = true;
        check(&target(None), &own, false, ["shop-live", "shop-live-my-db", "main"]);

        let mut suffixed = config("shop-production");
        suffixed.has_environment = true;
        let want = ["shop-production", "shop-production-my-db", "main"];
        check(&target(None), &suffixed, false, want);
        let want = ["shop-production-acme", "shop-production-acme-my-db", "main-acme"];
        check(&target(Some("acme")), &suffixed, false, want);
    }

    #[test]
    fn environments_of_a_worker_without_a_name_stay_apart() {
        let mut nameless = WorkerConfig::default();
        nameless.has_environment = true;
        let want = ["orders-production", "orders-production-my-db", "main"];
        check(&target(None), &nameless, false, want);
    }

    #[test]
    fn a_copy_for_a_preview_is_called_after_its_original() {
        let preview = PreviewName::of_text("fix/it").unwrap();
        let naming = Naming::new(&target(Some("acme")), &config("shop"), false).unwrap();
        let copies = naming.clone().of_preview(&preview).unwrap();
        let (db, own) = ("MY_DB".parse().unwrap(), "main".parse().unwrap());
        assert_eq!(copies.worker().as_str(), "shop-production-acme-pr-fix-it");
        let name = copies.database(&db, None).unwrap();
        assert_eq!(name.as_str(), "shop-production-acme-my-db-pr-fix-it");
        let name = copies.database(&db, Some(&own)).unwrap();
        assert_eq!(name.as_str(), "main-production-acme-pr-fix-it");
        assert!(!copies.is_plain());
        let plain = Naming::new(&target(None), &config("shop"), true).unwrap();
        assert!(!plain.of_preview(&preview).unwrap().is_plain(), "its ids are the original's");
    }

    #[test]
    fn copies_of_long_names_fit_and_stay_apart() {
        let preview = PreviewName::of_text(&"long-".repeat(9)).unwrap();
        let copies = |name: &str| {
            let naming = Naming::new(&target(None), &config(name), false).unwrap();
            naming.of_preview(&preview).unwrap()
        };
        let (one, other) = (copies(&"a".repeat(60)), copies(&"a".repeat(59)));
        let bucket = |naming: &Naming| naming.bucket(&"FILES".parse().unwrap(), None).unwrap();
        assert_ne!(one.worker(), other.worker());
        assert_ne!(bucket(&one), bucket(&other));
        assert!(one.worker().as_str().len() <= 63, "{}", one.worker());
        assert!(bucket(&one).as_str().ends_with(&preview.suffix()));
    }

    #[test]
    fn a_bucket_is_in_lower_case() {
        let naming = Naming::new(&target(None), &config("My_Shop"), false).unwrap();
        let bucket = naming.bucket(&"FILES".parse().unwrap(), None).unwrap();
        assert_eq!(bucket.as_str(), "my-shop-production-files");
    }
}
