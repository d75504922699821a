pub(crate) mod cloud;
