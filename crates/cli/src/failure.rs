//! A command's failure: what is printed, what may help, and the exit code.

use std::error::Error;

use crate::console::Console;
use crate::hints;

/// Why a command failed, with advice.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Exits with 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None, hint: None, code: 1 }
    }

    pub(crate) fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Prints `error:`, the causes and `hint:`; returns the exit code.
    pub(crate) fn report(&self, console: &Console) -> u8 {
        let mut lines = vec![format!("{} {}", console.paint("31;1", "error:"), self.message)];
        let mut last = self.message.clone();
        let mut next: Option<&dyn Error> = self.cause.as_deref().map(|cause| cause as &dyn Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Transparent wrappers repeat the text of what they wrap.
            if text != last {
                lines.push(format!("  {} {text}", console.paint("31", "caused by:")));
            }
            last = text;
            next = cause.source();
        }
        if let Some(hint) = &self.hint {
            lines.push(format!("{} {hint}", console.paint("36;1", "hint:")));
        }
        console.report(&lines.join("\n"));
        self.code
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let hint = hints::of(&error);
        let code = crate::exit_code::of(&error);
        Self { message: error.to_string(), cause: Some(Box::new(error)), hint, code }
    }
}
