//! Exit codes of the phases (platform specification, the same for every version spoken).

/// What an exit code says to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// 0: all is well.
    Success,
    /// 1: a file, a privilege, a credential.
    Generic,
    /// 2: a flag could not be parsed.
    Flags,
    /// 3: wrong arguments, or inputs that don't fit together.
    Arguments,
    /// 11: the Platform API is not spoken.
    PlatformApi,
    /// 12: a Buildpack API is not spoken.
    BuildpackApi,
    /// 20: no group passed detection.
    NoGroupDetected,
    /// 21: no group passed detection, and a buildpack failed with an error.
    DetectBuildpackFailed,
    /// 22: another error in detection.
    Detect,
    /// 32: analysis.
    Analyze,
    /// 42: restoring.
    Restore,
    /// 51: a `bin/build` failed.
    BuildBuildpackFailed,
    /// 52: another error in build.
    Build,
    /// 62: export.
    Export,
    /// 72: rebase.
    Rebase,
    /// 82: launch.
    Launch,
    /// 91: a `bin/generate` failed.
    GenerateExtensionFailed,
    /// 92: another error in generate.
    Generate,
    /// 102: extend.
    Extend,
}

impl ExitCode {
    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Generic => 1,
            Self::Flags => 2,
            Self::Arguments => 3,
            Self::PlatformApi => 11,
            Self::BuildpackApi => 12,
            Self::NoGroupDetected => 20,
            Self::DetectBuildpackFailed => 21,
            Self::Detect => 22,
            Self::Analyze => 32,
            Self::Restore => 42,
            Self::BuildBuildpackFailed => 51,
            Self::Build => 52,
            Self::Export => 62,
            Self::Rebase => 72,
            Self::Launch => 82,
            Self::GenerateExtensionFailed => 91,
            Self::Generate => 92,
            Self::Extend => 102,
        }
    }
}
