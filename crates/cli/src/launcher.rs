//! The launcher, embedded: `build.rs` builds it for the same target as `dhow`.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::MemfdFlags;

/// Returns the launcher's program file, which exporting puts at `/cnb/lifecycle/launcher`.
pub(crate) fn bytes() -> &'static [u8] {
    include_bytes!(env!("DHOW_LAUNCHER"))
}

/// Becomes the launcher, called `name`, with this process's environment; returns only if that fails.
pub(crate) fn become_launcher(name: &str, arguments: &[String]) -> std::io::Error {
    let file = match rustix::fs::memfd_create("launcher", MemfdFlags::CLOEXEC) {
        Ok(file) => file,
        Err(error) => return error.into(),
    };
    let mut file = std::fs::File::from(file);
    if let Err(error) = file.write_all(bytes()) {
        return error;
    }
    Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).arg0(name).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    fn half(at: usize) -> usize {
        usize::from(u16::from_le_bytes(bytes()[at..at + 2].try_into().unwrap()))
    }

    fn contains(text: &str) -> bool {
        bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn it_is_small_enough_for_every_image() {
        assert!(bytes().len() <= 1_300_000, "{} bytes", bytes().len());
    }

    #[test]
    fn it_is_static() {
        const INTERPRETER: [u8; 4] = [3, 0, 0, 0];
        assert_eq!(&bytes()[..6], b"\x7fELF\x02\x01");
        let table = usize::try_from(u64::from_le_bytes(bytes()[32..40].try_into().unwrap())).unwrap();
        let (size, count) = (half(54), half(56));
        let mut headers = (0..count).map(|number| &bytes()[table + number * size..][..4]);
        assert!(count > 0 && headers.all(|kind| kind != INTERPRETER));
    }

    #[test]
    fn it_does_not_tell_where_it_was_built() {
        let workspace = env!("CARGO_MANIFEST_DIR").strip_suffix("/crates/cli").unwrap();
        assert!(!contains(workspace));
        assert!(!contains("/.cargo/") && !contains("registry/src"));
        assert!(contains("/registry/toml_parser-"));
    }
}
