//! Stacks of layers as an overlay of dhow's directories shows them, and as `umoci` unpacks them.
//!
//! Both trees are read by `tar` as root of a namespace, and compared entry by entry: kind, mode, owner (for root), what
//! links say, content, and which names are one file. Times of directories are not, since umoci sets some and not others.
//!
//! `DHOW_TEST_STACKS` is the number of random stacks, 50 unless given, and `DHOW_TEST_SEED` the seed of the first.

mod random;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use dhow_layer::{Compression, Entry, Limits, Member, MemberKind, PackOptions, Reader};
use dhow_oci::{Image, ImageConfig, LayerRef, MediaType};
use dhow_store::{BlobSink, Completeness, Layout};

use super::*;
use crate::author::write_image;
use crate::events::Silent;

/// The user that stands for all who are not root.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An image of some layers, unpacked by dhow and by umoci.
pub(super) struct Stacked {
    scratch: tempfile::TempDir,
    image: Image,
    layout: Layout,
}

impl Stacked {
    /// Makes the image, the lowest layer first.
    pub(super) fn new(layers: &[Vec<Entry>]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let work = Arc::new(Work::default());
        let layout = Layout::open_or_create(&scratch.path().join("layout"), &work).unwrap();
        let layers: Vec<LayerRef> = layers
            .iter()
            .map(|entries| {
                let tar = tar_of(entries, &work);
                let descriptor = layout.store(&tar, MediaType::OciLayer).unwrap();
                LayerRef { descriptor, diff_id: DiffId(Digest::of(&tar)) }
            })
            .collect();
        let config = ImageConfig { architecture: "amd64".into(), os: "linux".into(), ..ImageConfig::default() };
        let image = Image::assemble(config, &layers, BTreeMap::new());
        let written = write_image(&layout, image, "latest", None, Completeness::Full, &[]).unwrap();
        Self { scratch, image: written.image, layout }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Unpacks with umoci, or returns what it says.
    pub(super) fn umoci(&self) -> Result<(), String> {
        let image = format!("{}:latest", self.at("layout").display());
        let mut command = Command::new("umoci");
        command.args(["raw", "unpack", "--image", &image]);
        if !is_root() {
            command.arg("--rootless");
        }
        let output = command.arg(self.at("umoci")).output().expect("umoci is installed");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Unpacks with dhow into at most as many directories.
    pub(super) fn dhow(&self, most: usize) -> Result<Vec<PathBuf>, RootfsError> {
        self.dhow_in(&self.at("cache"), most)
    }

    /// Unpacks with dhow into a cache directory.
    pub(super) fn dhow_in(&self, cache: &Path, most: usize) -> Result<Vec<PathBuf>, RootfsError> {
        let owned = if is_root() { Owned::AsImage } else { Owned::Squashed };
        let work = Work::default();
        Ok(directories_of(&self.image, &self.layout, cache, owned, &work, &Silent, most)?.paths)
    }

    /// Returns the tree of an overlay of these directories and, if umoci unpacked the image, that of umoci's directory.
    pub(super) fn trees(&self, directories: &[PathBuf]) -> (Tree, Option<Tree>) {
        // An overlay without an upper directory wants two lower ones.
        let (lowest, mounted, links) = (self.at("lowest"), self.at("mounted"), self.at("links"));
        for path in [&lowest, &mounted, &links] {
            fs::create_dir(path).unwrap();
        }
        // By short names, since all of them must fit into one page.
        let lower: Vec<String> = directories
            .iter()
            .chain([&lowest])
            .enumerate()
            .map(|(number, directory)| {
                symlink(directory, links.join(number.to_string())).unwrap();
                number.to_string()
            })
            .collect();
        let script = "set -e
            cd \"$6\"
            mount -t overlay overlay -o ro,userxattr,lowerdir=\"$1\" \"$2\"
            list() { tar --create --file \"$2\" --sort=name --numeric-owner --format=gnu --directory \"$1\" .; }
            list \"$2\" \"$3\"
            if [ -e \"$4\" ]; then list \"$4\" \"$5\"; fi";
        let mut command = Command::new("unshare");
        command.arg("--mount").env("LIBMOUNT_FORCE_MOUNT2", "always");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["sh", "-c", script, "sh", &lower.join(":")]).arg(&mounted).arg(self.at("dhow.tar"));
        let output = command.arg(self.at("umoci")).arg(self.at("umoci.tar")).arg(links).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let umoci = self.at("umoci.tar");
        (Tree::read(&self.at("dhow.tar")), umoci.exists().then(|| Tree::read(&umoci)))
    }
}

fn tar_of(entries: &[Entry], work: &Work) -> Vec<u8> {
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(work) };
    let mut tar = Vec::new();
    dhow_layer::pack(&Root::host().unwrap(), entries, &mut tar, &options).unwrap();
    tar
}

/// What is at each path, as a line of text.
#[derive(PartialEq, Eq)]
pub(super) struct Tree(pub(super) BTreeMap<PathBuf, String>);

impl Tree {
    fn read(tar: &Path) -> Self {
        let bytes = fs::read(tar).unwrap();
        let mut reader = Reader::new(bytes.as_slice(), Limits::default());
        let mut entries = BTreeMap::new();
        while let Some(member) = reader.next_member().unwrap() {
            let mut content = String::new();
            reader.read_to_string(&mut content).unwrap();
            let path: PathBuf = member.path.components().collect();
            entries.insert(path, line(&member, &content));
        }
        Self(entries)
    }

    /// Returns what is different, `-` for this one's and `+` for the other's; empty if nothing is.
    pub(super) fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        let paths: std::collections::BTreeSet<&PathBuf> = self.0.keys().chain(other.0.keys()).collect();
        for path in paths {
            let (here, there) = (self.0.get(path), other.0.get(path));
            if here == there {
                continue;
            }
            for (sign, line) in [('-', here), ('+', there)] {
                if let Some(line) = line {
                    writeln!(text, "{sign} {} {line}", path.display()).unwrap();
                }
            }
        }
        text
    }
}

fn line(member: &Member, content: &str) -> String {
    let owner = if is_root() { format!(" {}:{}", member.owner.uid, member.owner.gid) } else { String::new() };
    let facts = format!("{:o}{owner}", member.mode);
    match &member.kind {
        MemberKind::Directory => format!("directory {facts}"),
        MemberKind::File => format!("file {facts} {content:?}"),
        MemberKind::Symlink(target) => format!("link{owner} {}", target.display()),
        MemberKind::HardLink(target) => format!("the same as {}", target.display()),
        other => format!("{other:?} {facts}"),
    }
}

/// Runs a test of this program once more, as somebody who is not root.
fn as_nobody(test: &str) {
    if !is_root() {
        // Whoever is not root has run it already.
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = scratch.path().join("tests");
    // Copied by another program: what is open for writing here, as a program started meanwhile inherits it, cannot be run.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let home = scratch.path().join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let id = NOBODY.to_string();
    // The name of this module without that of the crate, as the test program lists it.
    let module = module_path!().split_once("::").unwrap().1;
    let output = Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(program)
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
        .env("TMPDIR", &home)
        .env("HOME", &home)
        .current_dir("/")
        .output()
        .unwrap();
    let talk = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    eprintln!("{talk}");
    assert!(output.status.success() && talk.contains("1 passed"), "{test}, not as root");
}

fn number(variable: &str, unless_given: u64) -> u64 {
    std::env::var(variable).map_or(unless_given, |text| text.parse().unwrap())
}

#[test]
fn random_stacks_show_what_umoci_unpacks() {
    let (stacks, first) = (number("DHOW_TEST_STACKS", 50), number("DHOW_TEST_SEED", 1));
    let (mut compared, mut refused, mut different) = (0, 0, Vec::new());
    for seed in first..first + stacks {
        let layers = random::stack(seed);
        let stacked = Stacked::new(&layers);
        if let Err(reason) = stacked.umoci() {
            eprintln!("seed {seed}: umoci refuses: {}", reason.lines().last().unwrap_or_default());
            refused += 1;
            continue;
        }
        compared += 1;
        // Of every third stack several layers share a directory, of every ninth all.
        let most = if seed % 9 == 0 {
            1
        } else if seed % 3 == 0 {
            2
        } else {
            MOST_DIRECTORIES
        };
        let differences = match stacked.dhow(most) {
            Ok(directories) => {
                let (dhow, umoci) = stacked.trees(&directories);
                dhow.differences(&umoci.unwrap())
            }
            Err(error) => format!("{}\n", messages(&error)),
        };
        if !differences.is_empty() {
            eprintln!("seed {seed}: dhow's -, umoci's +\n{differences}{}", random::shown(&layers));
            different.push(seed);
        }
    }
    let who = if is_root() { "root" } else { "not root" };
    eprintln!("as {who}: {compared} stacks compared, from seed {first}; {refused} that umoci refuses");
    assert!(different.is_empty(), "as {who}, stacks of these seeds differ: {different:?}");
    assert!(compared * 3 >= stacks * 2, "too few stacks are compared: {compared} of {stacks}");
}

#[test]
fn random_stacks_show_what_umoci_unpacks_also_without_root() {
    as_nobody("random_stacks_show_what_umoci_unpacks");
}

fn messages(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").unwrap();
        source = error.source();
    }
    text
}
