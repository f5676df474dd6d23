//! Holds the walls inside of the crates: no files that import each other, and no look into another room of `platform`.
//!
//! Paths are read from the sources, without tests: what `use` names, and what is written out as `crate::…`, `super::…`
//! or `self::…`. A name that a door (`lib.rs`, `mod.rs`) passes on counts as an import of the file that defines it. A
//! module and what is below it may import each other: they are one thing.

#![expect(clippy::disallowed_methods, reason = "tests read files as other programs would")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sources::{Crate, File};

/// Which file imports which, with the names that tie them.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<String>>>;

fn crates() -> Vec<Crate> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut names: Vec<_> =
        std::fs::read_dir(directory).expect("crates").map(|entry| entry.expect("entry").path()).collect();
    names.sort();
    names.iter().filter(|path| path.join("src").is_dir()).map(|path| Crate::read(path)).collect()
}

fn imports(this: &Crate) -> Imports<'_> {
    let mut imports = Imports::new();
    for file in &this.files {
        for path in &file.paths {
            let Some(found) = this.resolve(file, path) else { continue };
            if !found.is_kin_of(file) {
                let name = path.last().cloned().unwrap_or_default();
                imports.entry(&file.path).or_default().entry(&found.path).or_default().insert(name);
            }
        }
    }
    imports
}

/// Returns the shortest circle that leads from `start` back to it.
fn circle<'a>(imports: &Imports<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way[way.len() - 1]).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn words(imports: &Imports<'_>, circle: &[&str]) -> String {
    let mut words = String::new();
    for (position, file) in circle.iter().enumerate() {
        let next = circle[(position + 1) % circle.len()];
        let names: Vec<&str> = imports[file][next].iter().map(String::as_str).collect();
        let _ = writeln!(words, "    {file} imports {} of {next}", names.join(", "));
    }
    words
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = String::new();
    for this in crates() {
        let imports = imports(&this);
        let mut told = BTreeSet::new();
        for file in imports.keys() {
            let Some(circle) = circle(&imports, file) else { continue };
            if told.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
                let _ = writeln!(found, "  in {}:\n{}", this.name, words(&imports, &circle));
            }
        }
    }
    assert!(found.is_empty(), "files that import each other:\n{found}");
}

#[test]
fn no_file_of_platform_imports_the_inside_of_another_room() {
    let platform = Crate::read(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../platform")));
    let inside = |file: &File, path: &Vec<String>| {
        let (room, child) = (path.get(1)?, path.get(2)?);
        let is_inside = path[0] == "crate" && platform.has_module(&[room.clone(), child.clone()]);
        (is_inside && file.module.first() != Some(room)).then(|| format!("{} imports {}", file.path, path.join("::")))
    };
    let found: Vec<String> =
        platform.files.iter().flat_map(|file| file.paths.iter().filter_map(move |path| inside(file, path))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_is_found_through_a_door_and_told_with_its_names() {
    let this = Crate::of(
        "example",
        &[
            ("lib.rs", "mod a; mod room; pub use room::Inner;"),
            ("a.rs", "use crate::Inner; pub struct Outer;"),
            ("room/mod.rs", "mod inner; pub use inner::Inner;"),
            ("room/inner.rs", "use super::Nothing; pub struct Inner(crate::a::Outer);"),
        ],
    );
    let imports = imports(&this);
    let found = circle(&imports, "a.rs").expect("a circle");
    assert_eq!(found, ["a.rs", "room/inner.rs"]);
    assert_eq!(
        words(&imports, &found),
        "    a.rs imports Inner of room/inner.rs\n    room/inner.rs imports Outer of a.rs\n"
    );
}

#[test]
fn a_module_and_its_children_are_one_thing_and_tests_do_not_count() {
    let this = Crate::of(
        "example",
        &[
            ("lib.rs", "mod room; mod b;"),
            ("room/mod.rs", "mod child; use child::X; pub struct Y; pub(crate) fn f() { child::g() }"),
            ("room/child.rs", "use super::Y; pub struct X; // use crate::b::Z;\n"),
            ("b.rs", "pub struct Z(crate::room::Y); #[cfg(test)] mod tests { use crate::room::child::X; }"),
        ],
    );
    let imports = imports(&this);
    assert!(imports.keys().all(|file| circle(&imports, file).is_none()), "{imports:?}");
}
