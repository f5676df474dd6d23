//! Clauses about the layouts of images: what a phase that is refused leaves of them.

use std::collections::BTreeSet;
use std::fs;

use crate::clauses::{APP, Bench, Clause, LAYOUT, ensure};
use crate::compare;
use crate::machine::Owner;
use crate::machine::archive::Folder;
use crate::machine::layout::{json, manifest};

pub(crate) fn clauses() -> Vec<Clause> {
    vec![
        ("an_export_that_is_refused_leaves_nothing_and_takes_nothing", refused_export),
        ("a_cache_image_never_takes_the_name_of_the_app_or_the_run_image", cache_apart),
        ("a_damaged_cache_image_is_made_anew_with_a_warning", damaged_cache),
        ("the_restorer_makes_no_cache_image", restorer_only_reads),
        ("a_cache_image_holds_what_its_last_commit_put_there", old_blobs_go),
    ]
}

fn refused_export(basic: &Folder, base: &Folder) -> Result<(), String> {
    let names = ["golden/app", "golden/other:two"];
    let exporter = |flags: &[&'static str]| [&LAYOUT[..], flags, &names].concat();
    let bench = Bench::new(basic, base);
    let nothing_is_left = || {
        let left =
            ["app", "other"].map(|name| bench.machine.path(&format!("layout-repo/index.docker.io/golden/{name}")));
        ensure(left.iter().all(|path| !path.exists()), format!("left: {left:?}"))
    };
    bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())?;
    for (program, arguments) in [("detector", &[][..]), ("restorer", &LAYOUT), ("builder", &[])] {
        bench.expect(0, program, arguments)?;
    }
    bench.expect(62, "exporter", &exporter(&["-process-type", "absent"]))?;
    nothing_is_left()?;
    bench.replace_base(base, "arm64");
    bench.expect(62, "exporter", &exporter(&[]))?;
    nothing_is_left()?;
    bench.replace_base(base, "full");
    bench.expect(0, "exporter", &exporter(&[]))?;
    let before = manifest(&bench.machine, APP).1;
    bench.expect(62, "exporter", &exporter(&["-process-type", "absent"]))?;
    ensure(manifest(&bench.machine, APP).1 == before, "the old image is lost")
}

const CACHE: &str = "cache/image";

fn exporter(cache: &str) -> Vec<&str> {
    [&LAYOUT[..], &["-cache-image", cache, "golden/app"]].concat()
}

fn cache_apart(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    let before = manifest(&bench.machine, APP).1;
    for cache in ["golden/app", "oci:/layout-repo/index.docker.io/golden/app/latest"] {
        let said = bench.expect(3, "exporter", &exporter(cache))?;
        ensure(said.contains(&format!("-cache-image and the app image are the same: /{APP}")), said)?;
        bench.expect(3, "creator", &[&exporter(cache)[..4], &["-run-image", "golden/base", "golden/app"]].concat())?;
    }
    let said = bench.expect(3, "exporter", &exporter("golden/base"))?;
    ensure(said.contains("-cache-image and the run image are the same"), said)?;
    ensure(manifest(&bench.machine, APP).1 == before, "the app image is another")?;
    bench.expect(0, "exporter", &exporter(&format!("oci:/{APP}:cache")))?;
    bench.expect(0, "exporter", &exporter("golden/cache"))?;
    ensure(manifest_of_tag(&bench, APP, "latest") == before, "the app image is another")
}

fn manifest_of_tag(bench: &Bench, layout: &str, tag: &str) -> String {
    let index = json(&fs::read(bench.machine.path(&format!("{layout}/index.json"))).unwrap());
    let is_named = |entry: &&serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let entry = index["manifests"].as_array().unwrap().iter().find(is_named).cloned().unwrap_or_default();
    entry["digest"].as_str().unwrap_or_default().to_owned()
}

fn damaged_cache(basic: &Folder, base: &Folder) -> Result<(), String> {
    for file in ["index.json", "oci-layout"] {
        let bench = Bench::new(basic, base);
        bench.five(&LAYOUT)?;
        bench.expect(0, "exporter", &exporter("oci:/cache/image"))?;
        let cached = manifest_of_tag(&bench, CACHE, "latest");
        let damage = || fs::write(bench.machine.path(&format!("{CACHE}/{file}")), "nope").unwrap();
        damage();
        let said = bench.expect(0, "exporter", &exporter("oci:/cache/image"))?;
        ensure(said.contains("Warning: The cache image in /cache/image is damaged and made anew"), said)?;
        ensure(manifest_of_tag(&bench, CACHE, "latest") == cached, format!("{file}: the cache is another"))?;
        let said = bench.expect(0, "exporter", &exporter("oci:/cache/image"))?;
        ensure(!said.contains("damaged"), said)?;
        damage();
        let said = bench.expect(0, "restorer", &exporter("oci:/cache/image")[..5])?;
        ensure(said.contains("Warning: Ignoring cache image in /cache/image"), said)?;
    }
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    bench.machine.write("cache/image/document", b"of somebody");
    bench.machine.give_all("cache", Owner::User);
    let said = bench.expect(1, "exporter", &exporter("oci:/cache/image"))?;
    ensure(said.contains("failed to create image cache") && said.contains("document"), said)
}

fn restorer_only_reads(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.expect(0, "analyzer", &[&LAYOUT[..], &["golden/app"]].concat())?;
    bench.expect(0, "detector", &[])?;
    for cache in ["oci:/cache/image", "oci:/cache", "oci:/absent/image"] {
        let said = bench.expect(0, "restorer", &exporter(cache)[..5])?;
        ensure(!said.contains("Warning"), said)?;
    }
    let left = compare::listing(&bench.machine.path("cache"));
    ensure(left.len() <= 1 && !bench.machine.path("absent").exists(), format!("left: {left:?}"))
}

fn old_blobs_go(basic: &Folder, base: &Folder) -> Result<(), String> {
    let bench = Bench::new(basic, base);
    bench.five(&LAYOUT)?;
    bench.expect(0, "exporter", &exporter("oci:/cache/image"))?;
    let blobs = || {
        let names = fs::read_dir(bench.machine.path(&format!("{CACHE}/blobs/sha256"))).unwrap();
        names.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let before = blobs();
    bench.machine.write("layers/golden_alpha/all/more", b"changed");
    bench.machine.give_all("layers", Owner::User);
    bench.expect(0, "exporter", &exporter("oci:/cache/image"))?;
    let gone = before.difference(&blobs()).count();
    ensure(gone == 3 && blobs().len() == before.len(), format!("{before:?} became {:?}", blobs()))
}
