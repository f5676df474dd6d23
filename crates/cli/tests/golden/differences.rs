//! Where the recording shows a defect of the reference, what is right instead.
//!
//! Each entry names its row in `docs/differences.md`. Whatever differs and is not listed here fails.

/// A listed difference.
pub(crate) struct Difference {
    /// The runs; a final `*` stands for anything.
    pub(crate) runs: &'static [&'static str],
    /// The step, from 1; 0 for the image at the end.
    pub(crate) step: usize,
    /// The row in `docs/differences.md`.
    pub(crate) row: &'static str,
    /// What is right.
    pub(crate) right: Right,
}

/// What is right instead of what was recorded.
pub(crate) enum Right {
    /// The step's exit code and output.
    Ends(i32, &'static str),
    /// The recording, with one text in output, files and config replaced by another.
    Replaced(&'static str, &'static str),
    /// The step does not write this file.
    NotWritten(&'static str),
    /// The image is not written.
    NoImage,
}

pub(crate) const DIFFERENCES: &[Difference] = &[];

/// Returns the listed differences of a step.
pub(crate) fn of_step(run: &str, step: usize) -> impl Iterator<Item = &'static Difference> {
    let run = run.to_owned();
    let matches = move |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => run.starts_with(start),
        None => run == **pattern,
    };
    DIFFERENCES.iter().filter(move |difference| difference.step == step && difference.runs.iter().any(&matches))
}
