//! A random buildpack: what it makes depends on nothing but the app, its own state, and what it finds at its start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::random::Random;

pub(super) struct Buildpack {
    pub(super) name: &'static str,
    layers: Vec<Layer>,
    /// A mode for its own directory, the layers directory and the workspace.
    modes: [Option<u32>; 3],
    /// Patterns of the slices of the app.
    slices: Vec<&'static str>,
    /// What it does to the app.
    edits: Vec<&'static str>,
    /// Whether its directory is a link in the end.
    is_link: bool,
}

/// A layer of this name and content.
struct Layer {
    name: &'static str,
    types: (bool, bool, bool),
    content: usize,
    mode: u32,
    /// Whether what it holds is made of the app.
    is_of_app: bool,
    keeping: Keeping,
    has_sbom: bool,
}

/// What a buildpack does with a layer that it made before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keeping {
    /// It is made anew.
    Never,
    /// Its directory is left as it is, if it is there and of the same content.
    Directory,
    /// It is taken from the image before, without its directory, if its metadata says the same content.
    Image,
}

const LAYERS: &[&str] = &["one", "two", "three"];
const MODES: &[u32] = &[0o755, 0o711, 0o700, 0o750, 0o2755, 0o1777, 0o555];
const EDITS: &[&str] = &[
    "echo made >made",
    "mkdir -p made-directory && echo x >made-directory/x && chmod 700 made-directory",
    "echo more >>always",
    "chmod 600 always",
    "touch always",
    "rm -rf lib",
    "mkdir -p static && echo y >static/y",
    "echo passing >passing && rm passing",
    "ln -sfn always linked",
    "cp always copied && mv copied always",
];
const SLICES: &[&str] = &["static", "*.txt", "lib/*", "a", "made*"];

impl Buildpack {
    pub(super) fn new(name: &'static str, random: &mut Random) -> Self {
        let mut buildpack =
            Self { name, layers: Vec::new(), modes: [None; 3], slices: Vec::new(), edits: Vec::new(), is_link: false };
        for name in LAYERS {
            if random.once_in(2) {
                buildpack.layers.push(Layer::new(name, random));
            }
        }
        buildpack
    }

    pub(super) fn change_layer(&mut self, random: &mut Random) -> String {
        let name = random.pick(LAYERS);
        let had = self.layers.iter().any(|layer| layer.name == *name);
        self.layers.retain(|layer| layer.name != *name);
        if had && random.once_in(2) {
            return format!("{}: layer {name} is gone", self.name);
        }
        self.layers.push(Layer::new(name, random));
        format!("{}: layer {name} is {}", self.name, self.layers.last().unwrap().shown())
    }

    pub(super) fn change_mode(&mut self, random: &mut Random) -> String {
        let which = random.below(3);
        // The builder still moves layers in the buildpack's directory, and the next buildpack writes to the others.
        let modes = &MODES[..MODES.len() - 1];
        self.modes[which] = if random.once_in(3) { None } else { Some(*random.pick(modes)) };
        let shown = self.modes.map(|mode| mode.map_or("-".to_owned(), |mode| format!("{mode:o}")));
        format!("{}: modes of its directory, layers and workspace: {}", self.name, shown.join(" "))
    }

    pub(super) fn change_slices(&mut self, random: &mut Random) -> String {
        self.slices = SLICES.iter().filter(|_| random.once_in(3)).copied().collect();
        format!("{}: slices {:?}", self.name, self.slices)
    }

    pub(super) fn change_edits(&mut self, random: &mut Random) -> String {
        self.edits = EDITS.iter().filter(|_| random.once_in(4)).copied().collect();
        format!("{}: edits {:?}", self.name, self.edits)
    }

    pub(super) fn change_link(&mut self) -> String {
        self.is_link = !self.is_link;
        format!("{}: link {}", self.name, self.is_link)
    }

    /// Writes the buildpack; one that breaks fails when its work is done.
    pub(super) fn write(&self, directory: &Path, breaks: bool) {
        let _before = fs::remove_dir_all(directory);
        fs::create_dir_all(directory.join("bin")).unwrap();
        let descriptor = format!(
            "api = \"0.10\"\n[buildpack]\nid = \"random/{}\"\nversion = \"1\"\n\
                                  sbom-formats = [\"application/vnd.cyclonedx+json\"]\n[[targets]]\n",
            self.name
        );
        fs::write(directory.join("buildpack.toml"), descriptor).unwrap();
        let build = self.script() + if breaks { "exit 1\n" } else { "" };
        for (program, text) in [("detect", "#!/bin/sh\n"), ("build", build.as_str())] {
            let path = directory.join("bin").join(program);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn script(&self) -> String {
        let mut script = START.to_owned();
        for layer in &self.layers {
            script += &layer.script();
        }
        for edit in &self.edits {
            script += edit;
            script += "\n";
        }
        script += "printf '[[processes]]\\ntype = \"run\"\\ncommand = [\"cat\"]\\n' >\"$CNB_LAYERS_DIR/launch.toml\"\n";
        for pattern in &self.slices {
            script += &format!("printf '[[slices]]\\npaths = [\"{pattern}\"]\\n' >>\"$CNB_LAYERS_DIR/launch.toml\"\n");
        }
        let places = ["\"$CNB_LAYERS_DIR\"", "/layers", "."];
        for (mode, place) in self.modes.iter().zip(places) {
            if let Some(mode) = mode {
                script += &format!("chmod {mode:o} {place}\n");
            }
        }
        if self.is_link {
            script += "mv \"$CNB_LAYERS_DIR\" \"$CNB_LAYERS_DIR-moved\"\n\
                       ln -s \"${CNB_LAYERS_DIR##*/}-moved\" \"$CNB_LAYERS_DIR\"\n";
        }
        script
    }
}

/// What a buildpack finds, in a layer: times, modes and owners of the app, modes of its directories, and the environment.
const START: &str = r#"#!/bin/sh
set -eu
umask 022
made() { case $1 in ./made*|./copied|./linked|./static/y) return 0;; esac; return 1; }
found() { find . | sort | while read -r path; do made "$path" || stat -c '%n %a %u:%g %F' "$path"; done; }
ages() { find . -type f | grep -v '^./always$' | sort | while read -r path; do made "$path" || stat -c '%n %Y %s' "$path"; done; }
content() { find . -type f | sort | while read -r path; do made "$path" || sha256sum "$path"; done; }
app=$( { ages; content; } | sha256sum | cut -c 1-20)
rm -rf "$CNB_LAYERS_DIR/start"
mkdir "$CNB_LAYERS_DIR/start"
found >"$CNB_LAYERS_DIR/start/found"
[ "${0#*first}" = "$0" ] || find . -exec stat -c '%n %Y' {} + | sort >"$CNB_LAYERS_DIR/start/times"
stat -c '%a %u:%g' . "$CNB_LAYERS_DIR" >"$CNB_LAYERS_DIR/start/directories"
env | grep -v CNB_BP_PLAN_PATH | sort >"$CNB_LAYERS_DIR/start/env"
printf '[types]\nlaunch = true\n' >"$CNB_LAYERS_DIR/start.toml"
"#;

impl Layer {
    fn new(name: &'static str, random: &mut Random) -> Self {
        let mut types = (!random.once_in(4), random.once_in(2), random.once_in(3));
        let keeping = *random.pick(&[Keeping::Never, Keeping::Directory, Keeping::Image]);
        if keeping == Keeping::Image {
            types = (true, false, false);
        }
        Self {
            name,
            types,
            content: random.below(4),
            mode: *random.pick(MODES),
            is_of_app: random.once_in(3),
            keeping,
            has_sbom: random.once_in(5),
        }
    }

    fn shown(&self) -> String {
        let Self { types, content, mode, is_of_app, keeping, .. } = self;
        format!("{types:?} {content} {mode:o} {keeping:?}{}", if *is_of_app { " of the app" } else { "" })
    }

    fn script(&self) -> String {
        let Self { name, content, mode, .. } = self;
        let (launch, cache, build) = self.types;
        let key = if self.is_of_app { format!("{content}-{mode:o}-$app") } else { format!("{content}-{mode:o}") };
        let types =
            format!("[types]\\nlaunch = {launch}\\ncache = {cache}\\nbuild = {build}\\n[metadata]\\nkey = \"%s\"\\n");
        let is_kept = match self.keeping {
            Keeping::Never => "false",
            Keeping::Directory => "[ \"$(cat \"$layer/key\" 2>/dev/null)\" = \"$key\" ]",
            Keeping::Image => "grep -qs \"key = \\\"$key\\\"\" \"$layer.toml\"",
        };
        let of_app = if self.is_of_app { "ages >\"$layer/times\"\ncontent >\"$layer/content\"" } else { ":" };
        let sbom = if self.has_sbom {
            "echo '{\"bomFormat\":\"CycloneDX\"}' >\"$layer.sbom.cdx.json\""
        } else {
            // That of an earlier build is restored with the layer.
            "rm -f \"$layer.sbom.cdx.json\""
        };
        format!(
            "layer=$CNB_LAYERS_DIR/{name}\nkey={key}\n\
             if ! {is_kept}; then\n\
             [ ! -d \"$layer\" ] || chmod -R u+rwx \"$layer\"\nrm -rf \"$layer\"\n\
             mkdir -p \"$layer/env\" \"$layer/deep/below\"\n\
             echo {content} >\"$layer/deep/below/file\"\necho {content} >\"$layer/env/V_{name}.override\"\n\
             ln -s deep \"$layer/link\"\nln \"$layer/deep/below/file\" \"$layer/hard\"\n{of_app}\n\
             echo \"$key\" >\"$layer/key\"\nchmod 711 \"$layer/deep\"\nchmod {mode:o} \"$layer\"\nfi\n\
             printf '{types}' \"$key\" >\"$layer.toml\"\n{sbom}\n"
        )
    }
}
