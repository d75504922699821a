use std::convert::Infallible;

/// Never there on this system: tests that want one are skipped.
#[derive(Debug)]
pub struct PostgresServer(Infallible);

#[expect(missing_docs, reason = "there is never one to do this")]
impl PostgresServer {
    #[must_use]
    pub fn start() -> Option<Self> {
        super::find::skipped();
        None
    }

    #[must_use]
    pub fn start_with_tls(_certificate: &str, _key: &str) -> Option<Self> {
        super::find::skipped();
        None
    }

    #[must_use]
    pub fn database(&self) -> String {
        match self.0 {}
    }

    #[must_use]
    pub fn password(&self) -> &str {
        match self.0 {}
    }

    pub fn stop(&self) {
        match self.0 {}
    }

    pub fn restart(&self) {
        match self.0 {}
    }
}
