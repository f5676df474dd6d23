//! A command's failure: what is printed, what may help, and the exit code.

use std::error::Error;

use crate::console::Console;
use crate::hints;
use crate::invocation::{FlagNames, Invocation};
use crate::shown;

/// Why a command failed, with advice.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    advice: Option<Advice>,
    code: u8,
}

/// What may help, if the cause's type does not tell.
#[derive(Debug)]
enum Advice {
    /// Another command.
    Command(String),
    /// What was typed, with a flag.
    Flag(FlagNames, String),
}

impl Failure {
    /// Exits with 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None, advice: None, code: 1 }
    }

    pub(crate) fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { advice: Some(Advice::Command(hint.into())), ..self }
    }

    /// Advises to say the same again with a flag.
    pub(crate) fn hint_flag(self, flag: FlagNames, value: impl Into<String>) -> Self {
        Self { advice: Some(Advice::Flag(flag, value.into())), ..self }
    }

    /// Prints `error:`, the causes and `hint:`; returns the exit code.
    pub(crate) fn report(&self, console: &Console, invocation: &Invocation) -> u8 {
        let mut lines = vec![format!("{} {}", console.paint("31;1", "error:"), shown::lines(&self.message))];
        let mut last = self.message.clone();
        let mut next: Option<&dyn Error> = self.cause.as_deref().map(|cause| cause as &dyn Error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Transparent wrappers repeat the text of what they wrap.
            if text != last {
                lines.push(format!("  {} {}", console.paint("31", "caused by:"), shown::lines(&text)));
            }
            last = text;
            next = cause.source();
        }
        if let Some(hint) = self.advice(invocation) {
            lines.push(format!("{} {}", console.paint("36;1", "hint:"), shown::lines(&hint)));
        }
        console.report(&lines.join("\n"));
        self.code
    }

    fn advice(&self, invocation: &Invocation) -> Option<String> {
        match &self.advice {
            Some(Advice::Command(text)) => Some(text.clone()),
            Some(Advice::Flag(flag, value)) => Some(invocation.with(flag, Some(value))),
            None => hints::of(self.cause.as_deref()?, invocation),
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = crate::exit_code::of(&error);
        Self { message: error.to_string(), cause: Some(Box::new(error)), advice: None, code }
    }
}
