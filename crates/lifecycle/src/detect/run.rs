//! Runs `bin/detect`, a group's in parallel and each program once.

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use dhow_cnb::{Analyzed, BuildPlan, GroupElement, OrderElement, Target};
use dhow_fs::TemporaryDirectory;
use dhow_oci::go_json;

use super::judge::{Answer, Member, Outcome, judge};
use super::walk::{Doer, Found, Verdict};
use super::{DetectError, DetectInput, FailedBuildpack};
use crate::environment::{self, Sources};
use crate::files::{BUILDPACK_TOML_LIMIT, read_text};
use crate::go_error::GoPathError;
use crate::log::{Level, Log};
use crate::modules::{self, Module};
use crate::program::{Ending, Program, ending_words};

/// `id@version`.
type Key = String;

/// Does what a walk through the order asks for.
pub(super) struct Detector<'a> {
    input: &'a DetectInput<'a>,
    analyzed: &'a Analyzed,
    log: &'a dyn Log,
    /// Looked up when the first buildpack is.
    target: Option<Arc<Target>>,
    modules: BTreeMap<Key, Arc<Module>>,
    outcomes: BTreeMap<Key, Outcome>,
    story: Vec<(Level, String)>,
}

impl<'a> Detector<'a> {
    pub(super) fn new(input: &'a DetectInput<'a>, analyzed: &'a Analyzed, log: &'a dyn Log) -> Self {
        Self {
            input,
            analyzed,
            log,
            target: None,
            modules: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            story: Vec::new(),
        }
    }

    /// Returns what was told, with the level that each line has if a group passes.
    pub(super) fn into_story(self) -> Vec<(Level, String)> {
        self.story
    }

    fn module(&mut self, element: &OrderElement) -> Result<Arc<Module>, DetectError> {
        let key = key(element);
        if let Some(module) = self.modules.get(&key) {
            return Ok(Arc::clone(module));
        }
        let module = modules::lookup(self.input.root, self.input.paths.buildpacks, &element.id, &element.version)
            .map_err(DetectError::Module)?;
        let module = Arc::new(module);
        self.modules.insert(key, Arc::clone(&module));
        Ok(module)
    }

    fn target(&mut self) -> Arc<Target> {
        let DetectInput { root, .. } = *self.input;
        let (analyzed, log) = (self.analyzed, self.log);
        Arc::clone(self.target.get_or_insert_with(|| Arc::new(environment::target(root, analyzed.target(), log))))
    }

    fn fits(&self, module: &Module, target: &Target) -> bool {
        module.targets.is_empty()
            || module.targets.iter().any(|offered| {
                self.log.debug(&format!("Checking for match against descriptor: {}", go_target(offered)));
                offered.accepts(target)
            })
    }

    fn is_for_this_environment(&self, module: &Module) -> bool {
        let list = &module.descriptor.exec_env;
        let wanted = |name: &String| name == "*" || *name == self.input.environment.exec_env;
        !self.input.rules.exec_env
            || !module.rules.exec_env
            || self.input.environment.exec_env.is_empty()
            || list.is_empty()
            || list.iter().any(wanted)
    }
}

impl Doer for Detector<'_> {
    fn look_up(&mut self, element: &OrderElement) -> Result<Found, DetectError> {
        let module = self.module(element)?;
        if module.descriptor.is_composite() {
            return Ok(Found::Composite(module.descriptor.order.clone()));
        }
        let target = self.target();
        if self.input.rules.has_targets && !self.fits(&module, &target) && !element.optional {
            let error = format!(
                "unable to satisfy target os/arch constraints; run image: {}, buildpack: {}",
                go_json::to_string(&*target),
                go_json::to_string(&module.targets)
            );
            let outcome = Outcome { answer: Answer::Error(None), output: Vec::new(), error: Some(error) };
            self.outcomes.insert(key(element), outcome);
            return Ok(Found::Member);
        }
        if !self.is_for_this_environment(&module) {
            return Ok(Found::Dropped);
        }
        Ok(Found::Member)
    }

    fn try_group(&mut self, group: &[OrderElement]) -> Verdict {
        let target = self.target.clone().unwrap_or_default();
        let waiting: Vec<(Key, Arc<Module>)> = group
            .iter()
            .map(key)
            .filter(|key| !self.outcomes.contains_key(key))
            .filter_map(|key| self.modules.get(&key).map(|module| (key.clone(), Arc::clone(module))))
            .collect();
        let input = self.input;
        let run = |module: &Module| detect(input, module, &target);
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let start = |(_, module): &'_ (Key, Arc<Module>)| {
                let module = Arc::clone(module);
                std::thread::Builder::new().spawn_scoped(scope, move || run(&module))
            };
            let running: Vec<_> = waiting.iter().map(start).collect();
            let finish = |(started, (_, module)): (io::Result<ScopedJoinHandle<'_, Outcome>>, &(Key, Arc<Module>))| {
                match started {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    // Where the machine has no thread left, this one does it.
                    Err(_) => run(module),
                }
            };
            running.into_iter().zip(&waiting).map(finish).collect()
        });
        self.outcomes.extend(waiting.into_iter().map(|(key, _)| key).zip(outcomes));
        let members: Vec<Member> = group.iter().filter_map(|element| self.member(element)).collect();
        let story = &mut self.story;
        judge(&members, &mut |level, message| story.push((level, message)))
    }

    fn failed(&self) -> Vec<FailedBuildpack> {
        let failed = |(key, outcome): (&Key, &Outcome)| match (&outcome.error, &outcome.answer) {
            (Some(error), _) => Some(FailedBuildpack { buildpack: key.clone(), reason: error.clone() }),
            (None, Answer::Error(Some(ending))) => {
                Some(FailedBuildpack { buildpack: key.clone(), reason: ending_words(*ending) })
            }
            (None, Answer::Pass(_) | Answer::Fail | Answer::Error(None)) => None,
        };
        self.outcomes.iter().filter_map(failed).collect()
    }
}

impl Detector<'_> {
    fn member(&self, element: &OrderElement) -> Option<Member> {
        let key = key(element);
        let module = self.modules.get(&key)?;
        Some(Member {
            element: GroupElement {
                id: element.id.clone(),
                version: element.version.clone(),
                api: module.api.clone(),
                homepage: module.descriptor.homepage.clone(),
            },
            optional: element.optional,
            outcome: self.outcomes.get(&key)?.clone(),
        })
    }
}

/// Runs one `bin/detect`.
fn detect(input: &DetectInput<'_>, module: &Module, target: &Target) -> Outcome {
    let mut output = Vec::new();
    let (answer, error) = match run(input, module, target, &mut output) {
        Ok(answer) => (answer, None),
        Err(error) => (Answer::Error(None), Some(error)),
    };
    Outcome { answer, output, error }
}

fn run(input: &DetectInput<'_>, module: &Module, target: &Target, output: &mut Vec<u8>) -> Result<Answer, String> {
    let DetectInput { root, paths, environment, runner, .. } = *input;
    let scratch = TemporaryDirectory::create_in(&root.host_path(paths.temporary))
        .map_err(|error| GoPathError(error).to_string())?;
    let name = scratch.path().file_name().unwrap_or_default();
    let plan = paths.temporary.join(name).join("plan.toml");
    root.write(&plan, b"", 0o600).map_err(|error| GoPathError(error).to_string())?;
    let sources = Sources {
        root,
        platform: paths.platform,
        build_config: paths.build_config,
        exec_env: &environment.exec_env,
        target,
    };
    let mut variables = sources.environment(&environment.inherited, module).map_err(|error| error.to_string())?;
    if module.rules.path_variables {
        variables.set("CNB_BUILD_PLAN_PATH", &plan);
    }
    let program = Program {
        path: &module.directory.join("bin/detect"),
        arguments: &[paths.platform, &plan],
        directory: paths.app,
        environment: &variables,
    };
    match runner.run(&program, output).map_err(|error| error.to_string())? {
        Ending::Code(0) => read_plan(input, module, &plan),
        Ending::Code(100) => Ok(Answer::Fail),
        ending => Ok(Answer::Error(Some(ending))),
    }
}

fn read_plan(input: &DetectInput<'_>, module: &Module, path: &Path) -> Result<Answer, String> {
    let text = read_text(input.root, path, BUILDPACK_TOML_LIMIT).map_err(|error| error.to_string())?;
    let plan = BuildPlan::parse(&text).map_err(|error| error.to_string())?;
    if plan.has_top_level_version {
        return Err(format!(
            "buildpack {} has a \"version\" key which is not supported. \"metadata.version\" should be used instead",
            module.descriptor.id
        ));
    }
    Ok(Answer::Pass(plan))
}

fn key(element: &OrderElement) -> Key {
    format!("{}@{}", element.id, element.version)
}

/// A target as Go's `%s` shows it.
fn go_target(target: &dhow_cnb::BuildpackTarget) -> String {
    let distros: Vec<String> =
        target.distros.iter().map(|distro| format!("{{{} {}}}", distro.name, distro.version)).collect();
    format!("{{{} {} {} [{}]}}", target.os, target.arch, target.arch_variant, distros.join(" "))
}
