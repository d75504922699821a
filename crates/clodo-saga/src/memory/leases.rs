use super::{MemoryStore, Shelves};
use crate::{
    error::{LeaseStoreError, StoreError, StoreErrorKind},
    lease::{Fence, Grant, Lease, LeaseRequest, LeaseStore},
};
use async_trait::async_trait;
use clodo_types::Timestamp;

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct Slot {
    last: u64,
    held: Option<Lease>,
}

impl Shelves {
    pub(super) fn grant(&mut self, request: &LeaseRequest) -> Grant {
        let slot = self.leases.entry(request.name.clone()).or_default();
        if let Some(held) = slot.held.as_ref().filter(|held| request.now < held.expires_at) {
            return Grant::Held(held.clone());
        }
        slot.last += 1;
        let lease = Lease {
            name: request.name.clone(),
            holder: request.holder.clone(),
            number: slot.last,
            expires_at: request.expires_at(),
        };
        slot.held = Some(lease.clone());
        Grant::Granted(lease)
    }

    /// The lease of this name, if somebody has it.
    pub(super) fn held(&self, name: &str) -> Option<&Lease> {
        self.leases.get(name)?.held.as_ref()
    }

    pub(super) fn give_back(&mut self, lease: &Lease) {
        if self.current(&lease.name, lease.number).is_some()
            && let Some(slot) = self.leases.get_mut(&lease.name)
        {
            slot.held = None;
        }
    }

    fn current(&mut self, name: &str, number: u64) -> Option<&mut Lease> {
        let held = self.leases.get_mut(name).and_then(|slot| slot.held.as_mut());
        held.filter(|held| held.number == number)
    }

    /// Refuses a write under a lease that is not the current one.
    pub(super) fn check(
        &mut self,
        fence: Option<&Fence>,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let lost = fence.is_some_and(|fence| self.current(&fence.name, fence.number).is_none());
        if lost { Err(StoreError::new(StoreErrorKind::Fenced, doing)) } else { Ok(()) }
    }
}

#[async_trait]
impl LeaseStore for MemoryStore {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        Ok(self.shelves().grant(request))
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        let mut shelves = self.shelves();
        let own = shelves.current(&lease.name, lease.number);
        Ok(own.map(|held| held.expires_at = until).is_some())
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        self.shelves().give_back(lease);
        Ok(())
    }

    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        let shelves = self.shelves();
        let held = shelves.leases.values().filter_map(|slot| slot.held.as_ref());
        Ok(held.filter(|held| now < held.expires_at).cloned().collect())
    }
}
