//! One row for each thing that a layer can mean only in the knowledge of those below it.

use dhow_layer::{Entry, EntryKind, Owner};

use super::{MOST_DIRECTORIES, Stacked, Tree, as_nobody, is_root, messages};

/// Who owns what is not root's.
const USER: Owner = Owner { uid: 1000, gid: 1000 };

/// What umoci does with a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Umoci {
    /// It shows the same tree.
    Agrees,
    /// It fails.
    Refuses,
}

struct Row {
    /// What the row is about.
    what: &'static str,
    layers: Vec<Vec<Entry>>,
    umoci: Umoci,
    /// All that is to be seen, without owners and without the root itself.
    shown: &'static [&'static str],
}

fn directory(path: &str, mode: u32) -> Entry {
    Entry::directory(path, mode, Owner::ROOT)
}

fn file(path: &str) -> Entry {
    Entry::file(path, *b"x", 0o644, Owner::ROOT)
}

fn link(path: &str, target: &str) -> Entry {
    Entry::symlink(path, target, 0o777, Owner::ROOT)
}

fn hard_link(path: &str, target: &str) -> Entry {
    Entry { path: path.into(), kind: EntryKind::HardLink(target.into()), mode: 0o644, owner: Owner::ROOT }
}

/// An entry that says that something is gone: `.wh.<name>` in its directory.
fn gone(path: &str) -> Entry {
    Entry::file(path, *b"", 0o644, Owner::ROOT)
}

fn rows() -> Vec<Row> {
    let row = |what, layers, shown| Row { what, layers, umoci: Umoci::Agrees, shown };
    vec![
        row(
            "a directory that is a link below is a way to what the link says",
            vec![
                vec![
                    directory("usr", 0o755),
                    directory("usr/lib", 0o755),
                    file("usr/lib/libc"),
                    link("lib", "usr/lib"),
                ],
                vec![file("lib/systemd/x.service")],
            ],
            &[
                "./lib link usr/lib",
                "./usr directory 755",
                "./usr/lib directory 755",
                "./usr/lib/libc file 644 \"x\"",
                "./usr/lib/systemd directory 755",
                "./usr/lib/systemd/x.service file 644 \"x\"",
            ],
        ),
        row(
            "an absolute link, and one that goes up, lead inside",
            vec![
                vec![
                    directory("usr", 0o755),
                    directory("usr/lib", 0o700),
                    link("lib", "/usr/lib"),
                    link("up", "../../usr"),
                ],
                vec![file("lib/x"), file("up/lib/y")],
                vec![gone("up/lib/.wh.x")],
            ],
            &[
                "./lib link /usr/lib",
                "./up link ../../usr",
                "./usr directory 755",
                "./usr/lib directory 700",
                "./usr/lib/y file 644 \"x\"",
            ],
        ),
        row(
            "a link that is replaced by a directory is gone",
            vec![
                vec![directory("usr", 0o755), file("usr/a"), link("lib", "usr")],
                vec![directory("lib", 0o700), file("lib/x")],
            ],
            &["./lib directory 700", "./lib/x file 644 \"x\"", "./usr directory 755", "./usr/a file 644 \"x\""],
        ),
        row(
            "a directory without an entry is as below",
            vec![
                vec![Entry::directory("data", 0o1777, USER), Entry::directory("secret", 0o700, USER)],
                vec![file("data/x"), file("secret/y")],
                vec![file("secret/deep/z")],
            ],
            &[
                "./data directory 1777",
                "./data/x file 644 \"x\"",
                "./secret directory 700",
                "./secret/deep directory 755",
                "./secret/deep/z file 644 \"x\"",
                "./secret/y file 644 \"x\"",
            ],
        ),
        row(
            "a directory with nothing but a whiteout is as below",
            vec![vec![directory("data", 0o1777), file("data/zz"), file("data/kept")], vec![gone("data/.wh.zz")]],
            &["./data directory 1777", "./data/kept file 644 \"x\""],
        ),
        row(
            "a whiteout of nothing in a directory that is there changes nothing",
            vec![vec![directory("data", 0o1777)], vec![gone("data/.wh.zz"), gone("data/.wh..wh..opq")]],
            &["./data directory 1777"],
        ),
        row(
            "a whiteout below a directory that no layer has makes no directory (containerd and docker make one)",
            vec![vec![file("a")], vec![gone("none/.wh.zz"), gone("none/deep/.wh..wh..opq")]],
            &["./a file 644 \"x\""],
        ),
        row(
            "an opaque directory shows no ghost of what is whited out in it",
            vec![
                vec![directory("a", 0o755), file("a/b"), directory("a/c", 0o755), file("a/c/d")],
                vec![directory("a", 0o755), gone("a/.wh..wh..opq"), gone("a/.wh.b"), gone("a/c/.wh.d")],
            ],
            &["./a directory 755"],
        ),
        row(
            "nor if it becomes opaque afterwards",
            vec![
                vec![directory("a", 0o755), file("a/b"), directory("a/c", 0o755), file("a/c/d"), file("a/e/f")],
                vec![gone("a/.wh.b"), gone("a/c/.wh.d"), gone("a/e/.wh.f"), file("a/e/g"), gone("a/.wh..wh..opq")],
            ],
            &["./a directory 755", "./a/e directory 755", "./a/e/g file 644 \"x\""],
        ),
        row(
            "a directory that is gone and comes again shows nothing of the old one",
            vec![vec![Entry::directory("a", 0o700, USER), file("a/old")], vec![gone(".wh.a"), file("a/b")]],
            &["./a directory 755", "./a/b file 644 \"x\""],
        ),
        row(
            "the same, with its entry",
            vec![vec![directory("a", 0o700), file("a/old")], vec![gone(".wh.a"), directory("a", 0o711)]],
            &["./a directory 711"],
        ),
        row(
            "a directory that held whiteouts alone is gone with its own whiteout",
            vec![vec![directory("a", 0o755), file("a/b"), file("a/c")], vec![gone("a/.wh.b"), gone(".wh.a")]],
            &[],
        ),
        row(
            "a hard link to a file below",
            vec![vec![Entry::file("bin/tool", *b"x", 0o4755, USER)], vec![hard_link("usr/tool", "bin/tool")]],
            &[
                "./bin directory 755",
                "./bin/tool file 4755 \"x\"",
                "./usr directory 755",
                "./usr/tool the same as ./bin/tool",
            ],
        ),
        row(
            "the same, when the file below is hidden again above",
            vec![vec![file("bin/tool")], vec![hard_link("bin/other", "bin/tool")], vec![gone("bin/.wh.tool")]],
            &["./bin directory 755", "./bin/other file 644 \"x\""],
        ),
        row(
            "a hard link to a link below, and through one",
            vec![
                vec![directory("usr", 0o755), file("usr/x"), link("lib", "usr"), link("l", "usr/x")],
                vec![hard_link("m", "l"), hard_link("n", "lib/x")],
            ],
            &[
                "./l link usr/x",
                "./lib link usr",
                "./m the same as ./l",
                "./n file 644 \"x\"",
                "./usr directory 755",
                "./usr/x the same as ./n",
            ],
        ),
        row(
            "an opaque root hides all layers below",
            vec![
                vec![directory("a", 0o700), file("a/b"), file("c")],
                vec![file("d")],
                vec![gone(".wh..wh..opq"), file("a/new"), directory("e", 0o755)],
                vec![file("a/newer")],
            ],
            &["./a directory 755", "./a/new file 644 \"x\"", "./a/newer file 644 \"x\"", "./e directory 755"],
        ),
        row(
            "a file below, a directory above",
            vec![vec![file("a")], vec![directory("a", 0o755), file("a/b")]],
            &["./a directory 755", "./a/b file 644 \"x\""],
        ),
        Row {
            umoci: Umoci::Refuses,
            ..row(
                "a file below, a directory above that no entry describes",
                vec![vec![file("a"), link("l", "a")], vec![file("a/b")], vec![file("l/c")]],
                &["./a directory 755", "./a/b file 644 \"x\"", "./a/c file 644 \"x\"", "./l link a"],
            )
        },
        row(
            "a directory below, a file above, and a directory again",
            vec![vec![file("a/old")], vec![file("a")], vec![directory("a", 0o755), file("a/new")]],
            &["./a directory 755", "./a/new file 644 \"x\""],
        ),
        row(
            "the same in one layer",
            vec![vec![file("a/old")], vec![file("a"), directory("a", 0o755), file("a/new")]],
            &["./a directory 755", "./a/new file 644 \"x\""],
        ),
        Row {
            umoci: Umoci::Refuses,
            ..row(
                "a hard link to what its own layer hides",
                vec![vec![file("a")], vec![gone(".wh.a"), hard_link("b", "a")]],
                &["./b file 644 \"x\""],
            )
        },
    ]
}

/// Returns what is shown without the root and without owners.
fn shown(tree: &Tree) -> Vec<String> {
    let owner = |word: &&str| is_root() && word.split_once(':').is_some_and(|(uid, _)| uid.parse::<u32>().is_ok());
    let line = |line: &str| line.split(' ').filter(|word| !owner(word)).collect::<Vec<_>>().join(" ");
    let entries = tree.0.iter().filter(|(path, _)| path.as_os_str() != ".");
    entries.map(|(path, text)| line(&format!("{} {text}", path.display()))).collect()
}

#[test]
fn each_row_of_the_table_is_as_umoci_unpacks_it() {
    let mut wrong = String::new();
    for row in rows() {
        let stacked = Stacked::new(&row.layers);
        let umoci = stacked.umoci();
        let directories = match stacked.dhow(MOST_DIRECTORIES) {
            Ok(directories) => directories,
            Err(error) => {
                wrong.push_str(&format!("{}: {}\n", row.what, messages(&error)));
                continue;
            }
        };
        assert_eq!(umoci.is_ok(), row.umoci == Umoci::Agrees, "{}: umoci says {umoci:?}", row.what);
        let umoci = umoci.is_ok();
        let (tree, unpacked) = stacked.trees(&directories);
        let differences = match unpacked.filter(|_| umoci) {
            Some(unpacked) => tree.differences(&unpacked),
            None => String::new(),
        };
        let (found, expected) = (shown(&tree), row.shown);
        if !differences.is_empty() || found != expected {
            wrong.push_str(&format!("{}:\n{differences}found {found:#?}\n", row.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_row_of_the_table_is_as_umoci_unpacks_it_also_without_root() {
    as_nobody("table::each_row_of_the_table_is_as_umoci_unpacks_it");
}

/// Layers that change what those before them made: each adds files, and takes away or replaces some of older ones.
fn many_layers(number: usize) -> Vec<Vec<Entry>> {
    let layer = |number: usize| {
        let mut entries = vec![file(&format!("file{number}")), file(&format!("shared/{number}"))];
        match number % 7 {
            1 => entries.push(gone(&format!("shared/.wh.{}", number / 2))),
            2 => entries.push(gone(&format!(".wh.file{}", number / 3))),
            3 => entries.push(hard_link(&format!("link{number}"), &format!("file{}", number - 1))),
            4 => entries.push(directory(&format!("file{}", number - 1), 0o711)),
            5 => entries.extend([gone("other/.wh..wh..opq"), file(&format!("other/{number}"))]),
            6 if number.is_multiple_of(3) => entries.push(directory("shared", 0o700)),
            _ => {}
        }
        entries
    };
    (0..number).map(layer).collect()
}

#[test]
fn an_image_of_more_layers_than_an_overlay_takes_shows_what_umoci_unpacks() {
    let stacked = Stacked::new(&many_layers(600));
    stacked.umoci().unwrap();
    let directories = stacked.dhow(MOST_DIRECTORIES).unwrap();
    assert_eq!(directories.len(), MOST_DIRECTORIES);
    let (tree, umoci) = stacked.trees(&directories);
    assert_eq!(tree.differences(&umoci.unwrap()), "");
}

#[test]
fn an_image_of_more_layers_than_an_overlay_takes_shows_what_umoci_unpacks_also_without_root() {
    as_nobody("table::an_image_of_more_layers_than_an_overlay_takes_shows_what_umoci_unpacks");
}

#[test]
fn images_share_the_directories_of_the_layers_that_they_begin_with() {
    let base = [vec![file("a")], vec![file("b")]];
    let with = |layer: Vec<Entry>| [base.as_slice(), &[layer]].concat();
    let (one, other) = (Stacked::new(&with(vec![file("c")])), Stacked::new(&with(vec![file("d")])));
    let cache = tempfile::tempdir().unwrap();
    let directories = |stacked: &Stacked| stacked.dhow_in(cache.path(), MOST_DIRECTORIES).unwrap();
    let (one, other) = (directories(&one), directories(&other));
    assert_eq!(one[1..], other[1..]);
    assert_ne!(one[0], other[0]);
    // The same layer on top of others is another one.
    let alone = directories(&Stacked::new(&[vec![file("b")]]));
    assert!(!one.contains(&alone[0]));
}
