//! The job that runs at the moment.

use std::sync::{Arc, Mutex, PoisonError};

use dhow_sandbox::JobHandle;

/// Knows the job that a build runs at the moment. Clones know the same, so another thread can stop and continue it.
#[derive(Clone, Debug, Default)]
pub struct CurrentJob(Arc<Mutex<Option<JobHandle>>>);

impl CurrentJob {
    /// Returns the job, if one runs.
    #[must_use]
    pub fn handle(&self) -> Option<JobHandle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does `wait`, while which `job` is the one that runs.
    pub(crate) fn during<T>(&self, job: &JobHandle, wait: impl FnOnce() -> T) -> T {
        self.set(Some(job.clone()));
        let result = wait();
        self.set(None);
        result
    }

    fn set(&self, job: Option<JobHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = job;
    }
}
