use std::fmt;

/// An operating system and a processor, by the names Rust gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    /// Such as `linux`, `macos` or `windows`.
    pub os: &'static str,
    /// Such as `x86_64` or `aarch64`.
    pub arch: &'static str,
}

impl Platform {
    /// The platform this program was built for.
    #[must_use]
    pub const fn current() -> Self {
        Self { os: std::env::consts::OS, arch: std::env::consts::ARCH }
    }

    /// What a program's file is called here: `name`, or `name.exe`.
    pub(crate) fn executable(self, name: &str) -> String {
        if self.os == "windows" { format!("{name}.exe") } else { name.to_owned() }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.os, self.arch)
    }
}
