//! The programs beside the phases: `install`, which puts them where a builder has them, and the launcher.

use std::os::unix::fs::symlink;

use crate::apis::{Api, on_every_platform_api};
use crate::bench::Bench;
use crate::machine::VERSION;

const METADATA: &str = "[[processes]]\n  type = \"web\"\n  command = [\"/bin/echo\", \"of the process\"]\n  direct = true\n  \
                        buildpack-id = \"a/one\"\n\n[[buildpacks]]\n  id = \"a/one\"\n  version = \"1\"\n  api = \"0.9\"\n";

#[test]
fn install_makes_a_directory_of_programs_that_work() {
    let bench = Bench::on(Api(15));
    bench.expect(0, "lifecycle", &["install", "/cwd/lifecycle"]);
    // Again, over what is there.
    bench.expect(0, "dhow", &["lifecycle", "install", "/cwd/lifecycle"]);
    let names = bench.names("cwd/lifecycle");
    let expected =
        "analyzer builder creator detector exporter extender launcher lifecycle lifecycle.toml rebaser restorer";
    assert_eq!(names.join(" "), expected);
    assert!(bench.read("cwd/lifecycle/lifecycle.toml").contains(&format!("version = \"{VERSION}\"")));
    let arguments = ["-version".to_owned()];
    let outcome = bench.machine.run("/cwd/lifecycle/analyzer", &arguments, &bench.environment, bench.uid, "/cwd");
    assert_eq!((outcome.exit, outcome.stdout), (0, format!("{VERSION}\n")));
    bench.expect(3, "lifecycle", &["install"]);
}

#[test]
fn dhow_is_the_launcher_by_that_name_and_by_that_subcommand() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        bench.write_own("layers/config/metadata.toml", METADATA);
        assert_eq!(bench.expect(0, "dhow", &["launcher", "--", "echo", "direct"]), "direct\n");
        for name in ["launcher", "web"] {
            symlink(
                if name == "web" { "launcher" } else { "/opt/dhow/dhow" },
                bench.machine.path(&format!("cwd/{name}")),
            )
            .unwrap();
        }
        let arguments = ["--", "echo", "by name"].map(str::to_owned);
        let outcome = bench.machine.run("/cwd/launcher", &arguments, &bench.environment, bench.uid, "/cwd");
        assert_eq!((outcome.exit, outcome.stdout.as_str()), (0, "by name\n"));
    });
}
