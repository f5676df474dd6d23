//! The programs of a lifecycle, by the names that platforms call them.

/// One phase's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Program {
    Analyzer,
    Detector,
    Restorer,
    Extender,
    Builder,
    Exporter,
    Creator,
    Rebaser,
}

/// All programs, in the order that error messages list their phases.
pub(crate) const PROGRAMS: [Program; 8] = [
    Program::Detector,
    Program::Analyzer,
    Program::Restorer,
    Program::Builder,
    Program::Exporter,
    Program::Rebaser,
    Program::Creator,
    Program::Extender,
];

impl Program {
    /// Returns the program's name: what `argv[0]` ends in.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Analyzer => "analyzer",
            Self::Detector => "detector",
            Self::Restorer => "restorer",
            Self::Extender => "extender",
            Self::Builder => "builder",
            Self::Exporter => "exporter",
            Self::Creator => "creator",
            Self::Rebaser => "rebaser",
        }
    }

    /// Returns the phase's name: the subcommand of `lifecycle`.
    pub(crate) fn phase(self) -> &'static str {
        match self {
            Self::Analyzer => "analyze",
            Self::Detector => "detect",
            Self::Restorer => "restore",
            Self::Extender => "extend",
            Self::Builder => "build",
            Self::Exporter => "export",
            Self::Creator => "create",
            Self::Rebaser => "rebase",
        }
    }

    /// Returns the program of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        PROGRAMS.into_iter().find(|program| program.name() == name)
    }

    /// Returns the program of that phase.
    pub(crate) fn of_phase(phase: &str) -> Option<Self> {
        PROGRAMS.into_iter().find(|program| program.phase() == phase)
    }
}
