//! Whether a program gets a terminal of its own, and what its streams are: a pure decision.
//!
//! A program never gets the caller's terminal itself. Whoever has that open, for writing too, can read what is typed.

/// What the user asked for; `None` is left to the streams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Whether the program gets a terminal.
    pub(crate) terminal: Option<bool>,
    /// Whether it gets standard input.
    pub(crate) input: Option<bool>,
}

/// What the caller's standard streams are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Whether standard input is a terminal.
    pub(crate) input_is_terminal: bool,
    /// Whether standard output is one.
    pub(crate) output_is_terminal: bool,
    /// Whether standard error is one.
    pub(crate) error_is_terminal: bool,
    /// Whether keys of the terminal are meant for dhow, which is not so in the background.
    pub(crate) is_in_foreground: bool,
}

/// What the program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A terminal of its own, with what comes from standard input typed into it, or nothing.
    Terminal { typed: bool },
    /// Streams.
    Streams { input: Input, output: Output, error: Output },
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Empty.
    Nothing,
    /// The caller's own.
    Own,
    /// A pipe with what the caller's terminal gives.
    Copied,
}

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// The caller's own.
    Own,
    /// A pipe that is copied to the caller's terminal.
    Copied,
}

/// Decides.
pub(crate) fn plan(wishes: Wishes, caller: Caller) -> Plan {
    let wants_input = wishes.input.unwrap_or(true);
    let at_terminal = caller.input_is_terminal && caller.output_is_terminal && caller.is_in_foreground;
    if wishes.terminal.unwrap_or(at_terminal) {
        return Plan::Terminal { typed: wants_input };
    }
    let input = match (wants_input, caller.input_is_terminal, caller.is_in_foreground) {
        (false, ..) | (true, true, false) => Input::Nothing,
        (true, true, true) => Input::Copied,
        (true, false, _) => Input::Own,
    };
    let output = |is_terminal| if is_terminal { Output::Copied } else { Output::Own };
    Plan::Streams { input, output: output(caller.output_is_terminal), error: output(caller.error_is_terminal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_TERMINAL: Caller =
        Caller { input_is_terminal: true, output_is_terminal: true, error_is_terminal: true, is_in_foreground: true };
    const IN_SCRIPT: Caller = Caller {
        input_is_terminal: false,
        output_is_terminal: false,
        error_is_terminal: false,
        is_in_foreground: false,
    };

    fn asked(terminal: Option<bool>, input: Option<bool>) -> Wishes {
        Wishes { terminal, input }
    }

    #[test]
    fn a_person_at_a_terminal_gets_one_and_a_script_does_not() {
        assert_eq!(plan(Wishes::default(), AT_TERMINAL), Plan::Terminal { typed: true });
        let own = Plan::Streams { input: Input::Own, output: Output::Own, error: Output::Own };
        assert_eq!(plan(Wishes::default(), IN_SCRIPT), own);
        assert_eq!(plan(asked(Some(true), None), IN_SCRIPT), Plan::Terminal { typed: true });
        assert_eq!(plan(asked(None, Some(false)), AT_TERMINAL), Plan::Terminal { typed: false });
    }

    #[test]
    fn the_callers_terminal_is_never_handed_over() {
        for terminal in [None, Some(false)] {
            for bits in 0..16 {
                let caller = Caller {
                    input_is_terminal: bits & 1 > 0,
                    output_is_terminal: bits & 2 > 0,
                    error_is_terminal: bits & 4 > 0,
                    is_in_foreground: bits & 8 > 0,
                };
                let Plan::Streams { input, output, error } = plan(asked(terminal, None), caller) else { continue };
                assert!(!(caller.input_is_terminal && input == Input::Own), "{caller:?}");
                assert!(!(caller.output_is_terminal && output == Output::Own), "{caller:?}");
                assert!(!(caller.error_is_terminal && error == Output::Own), "{caller:?}");
            }
        }
    }

    #[test]
    fn in_the_background_nobody_types_and_nothing_stops_the_program() {
        let background = Caller { is_in_foreground: false, ..AT_TERMINAL };
        let expected = Plan::Streams { input: Input::Nothing, output: Output::Copied, error: Output::Copied };
        assert_eq!(plan(Wishes::default(), background), expected);
    }

    #[test]
    fn input_can_be_refused() {
        let expected = Plan::Streams { input: Input::Nothing, output: Output::Own, error: Output::Own };
        assert_eq!(plan(asked(None, Some(false)), IN_SCRIPT), expected);
    }
}
