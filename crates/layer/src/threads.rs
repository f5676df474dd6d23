//! Threads, of which a machine may have none left.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Starts a thread of `scope`. Fails if the machine has no thread left, where [`Scope::spawn`] would panic.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    #[cfg(test)]
    shortage::take_one()?;
    Builder::new().spawn_scoped(scope, work)
}

/// Returns what a thread returned; a panic of it goes on in this one.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A machine that has only so many threads left, for tests.
#[cfg(test)]
pub(crate) mod shortage {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Runs `test` where this thread can start `left` threads and no more.
    pub(crate) fn with<T>(left: usize, test: impl FnOnce() -> T) -> T {
        LEFT.set(Some(left));
        let result = test();
        LEFT.set(None);
        result
    }

    pub(super) fn take_one() -> io::Result<()> {
        match LEFT.get() {
            Some(0) => Err(io::ErrorKind::WouldBlock.into()),
            left => {
                LEFT.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}
