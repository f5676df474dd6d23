//! Clauses about the layouts of images: what a phase that is refused leaves of them.

use crate::clauses::{APP, Bench, Clause, LAYOUT, ensure};
use crate::machine::archive::Folder;
use crate::machine::layout::manifest;

pub(crate) fn clauses() -> Vec<Clause> {
    vec![("an_export_that_is_refused_leaves_nothing_and_takes_nothing", refused_export)]
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
