pub(crate) mod deploy;
pub(crate) mod deployments;
pub(crate) mod list;
pub(crate) mod local_cloud;
pub(crate) mod plan;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod validate;
