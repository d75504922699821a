use super::{MemoryStore, Shelves};
use crate::{
    error::{StoreError, StoreErrorKind},
    job::{Claim, ClaimedJob, Job, JobEnd, JobQuery, JobRecord, JobState, JobStore},
    lease::{Fence, Grant, Lease},
};
use async_trait::async_trait;
use clodo_types::Timestamp;

/// One job.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) job: Job,
    attempts: u64,
    pub(super) end: Option<JobEnd>,
}

impl Shelves {
    fn holder_of(&mut self, at: usize) -> Option<Lease> {
        let name = self.jobs[at].job.id.lease_name();
        self.held(&name).cloned()
    }

    /// Whether nobody has the job at this moment and it has not ended.
    fn is_free(&mut self, at: usize, now: Timestamp) -> bool {
        self.jobs[at].end.is_none()
            && self.holder_of(at).is_none_or(|lease| lease.expires_at <= now)
    }

    fn add(&mut self, job: &Job) -> Result<(), StoreErrorKind> {
        if let Some(known) = self.jobs.iter().find(|slot| slot.job.id == job.id) {
            return if known.job == *job { Ok(()) } else { Err(StoreErrorKind::Conflict) };
        }
        if job.blobs.iter().any(|key| !self.blobs.contains_key(key)) {
            return Err(StoreErrorKind::Unknown);
        }
        self.jobs.push(Slot { job: job.clone(), attempts: 0, end: None });
        Ok(())
    }

    fn record(&mut self, at: usize) -> JobRecord {
        let lease = self.holder_of(at);
        let Slot { job, attempts, end } = &self.jobs[at];
        let state = match (end, lease) {
            (Some(end), _) => JobState::Ended(end.clone()),
            (None, Some(lease)) => JobState::Claimed(lease),
            (None, None) => JobState::Waiting,
        };
        JobRecord { job: job.clone(), state, attempts: *attempts }
    }
}

#[async_trait]
impl JobStore for MemoryStore {
    async fn enqueue(&self, jobs: &[Job], fence: Option<&Fence>) -> Result<(), StoreError> {
        const DOING: &str = "enqueue jobs";
        let mut shelves = self.shelves();
        shelves.check(fence, DOING)?;
        let before = shelves.jobs.len();
        for job in jobs {
            if let Err(kind) = shelves.add(job) {
                shelves.jobs.truncate(before);
                return Err(StoreError::new(kind, DOING));
            }
        }
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Option<ClaimedJob>, StoreError> {
        let unfinished: Vec<Job> = {
            let shelves = self.shelves();
            let unfinished = shelves.jobs.iter().filter(|slot| slot.end.is_none());
            unfinished.map(|slot| slot.job.clone()).collect()
        };
        // Without the lock: whether a secret is there may take a while to find out.
        let able = claim.able(unfinished.into_iter().flat_map(|job| job.requires));
        let mut shelves = self.shelves();
        for at in 0..shelves.jobs.len() {
            let job = shelves.jobs[at].job.clone();
            let can = claim.kinds.as_ref().is_none_or(|kinds| kinds.contains(&job.kind));
            if !can || !job.requires.is_subset(&able) || !shelves.is_free(at, claim.now) {
                continue;
            }
            if let Grant::Granted(lease) = shelves.grant(&claim.lease(&job.id)) {
                shelves.jobs[at].attempts += 1;
                let attempt = shelves.jobs[at].attempts;
                return Ok(Some(ClaimedJob { job, lease, attempt }));
            }
        }
        Ok(None)
    }

    async fn finish(&self, lease: &Lease, end: &JobEnd) -> Result<(), StoreError> {
        const DOING: &str = "finish a job";
        let mut shelves = self.shelves();
        shelves.check(Some(&lease.fence()), DOING)?;
        let slot = shelves.jobs.iter_mut().find(|slot| slot.job.id.lease_name() == lease.name);
        let slot = slot.ok_or_else(|| StoreError::new(StoreErrorKind::Unknown, DOING))?;
        if slot.end.is_some() {
            return Err(StoreError::new(StoreErrorKind::Conflict, DOING));
        }
        slot.end = Some(end.clone());
        shelves.give_back(lease);
        Ok(())
    }

    async fn withdraw(
        &self,
        group: &str,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<u64, StoreError> {
        let mut shelves = self.shelves();
        shelves.check(fence, "withdraw jobs")?;
        let mut withdrawn = 0;
        for number in 0..shelves.jobs.len() {
            if shelves.jobs[number].job.group == group && shelves.is_free(number, at) {
                shelves.jobs[number].end = Some(JobEnd::withdrawn(at));
                withdrawn += 1;
            }
        }
        Ok(withdrawn)
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobRecord>, StoreError> {
        let mut shelves = self.shelves();
        let matches = |slot: &Slot| {
            query.group.as_ref().is_none_or(|group| *group == slot.job.group)
                && !(query.unfinished && slot.end.is_some())
        };
        let numbers: Vec<usize> =
            (0..shelves.jobs.len()).filter(|at| matches(&shelves.jobs[*at])).collect();
        Ok(numbers.into_iter().map(|at| shelves.record(at)).collect())
    }

    async fn forget_jobs(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut shelves = self.shelves();
        let Shelves { jobs, leases, .. } = &mut *shelves;
        let all = jobs.len();
        jobs.retain(|slot| {
            let stays = slot.end.as_ref().is_none_or(|end| end.at >= before);
            if !stays {
                leases.remove(&slot.job.id.lease_name());
            }
            stays
        });
        Ok((all - jobs.len()) as u64)
    }
}
