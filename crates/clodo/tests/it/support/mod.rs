pub(crate) mod cloud;
pub(crate) mod folder;
pub(crate) mod workers;
