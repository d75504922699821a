use crate::{
    api_error::{ApiError, ApiErrorKind},
    client::Client,
    endpoint::Endpoint,
};
use clodo_http::{Fault, Repeatable};
use std::future::Future;

/// Where something that is there now comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This call created it.
    Created,
    /// It was there before.
    Existed,
    /// An answer was lost on the way: this call created it, or somebody else did at the same
    /// time.
    Unclear,
}

/// Something that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured<T> {
    /// What it is.
    pub resource: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl Client {
    /// Creates something with a name, at most once: whenever it is unclear whether a creation
    /// arrived, it is looked up before it is tried again.
    ///
    /// # Errors
    /// When it is not there in the end, or cannot be looked up.
    pub async fn ensure<T, Look, Looking>(
        &self,
        create: impl Fn() -> Endpoint<T> + Send,
        look: Look,
    ) -> Result<Ensured<T>, ApiError>
    where
        Look: Fn() -> Looking + Send,
        Looking: Future<Output = Result<Option<T>, ApiError>> + Send,
    {
        let mut delays = self.options().retry.delays();
        let mut unclear = false;
        loop {
            let error = match self.send(create()).await {
                Ok(resource) => return Ok(Ensured { resource, origin: Origin::Created }),
                Err(error) => error,
            };
            unclear |= error.may_have_happened();
            let exists = error.kind() == ApiErrorKind::Exists;
            if !exists && !error.may_have_happened() {
                return Err(error.remembering(unclear));
            }
            let found = look().await.map_err(|error| error.remembering(unclear))?;
            if let Some(resource) = found {
                let origin = if unclear { Origin::Unclear } else { Origin::Existed };
                return Ok(Ensured { resource, origin });
            }
            let delay = delays.after(Fault::Busy, Repeatable::Yes).filter(|_| !exists);
            let Some(delay) = delay else { return Err(error.remembering(unclear)) };
            self.options().sleeper.sleep(delay).await;
        }
    }
}
