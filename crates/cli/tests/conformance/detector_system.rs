//! Platform specification, "system.toml" and "order.toml": what the platform adds to each group, and image extensions.

use crate::apis::{on_every_platform_api, on_platform_apis_since};
use crate::bench::Bench;
use crate::buildpack::buildpack;
use crate::detector_order::{failing, group};

#[test]
fn system_buildpacks_surround_each_group_from_0_15_on() {
    on_every_platform_api(|api| {
        let bench = Bench::on(api);
        for id in ["a/one", "a/pre", "a/post"] {
            bench.add(&buildpack(id));
        }
        bench.add(&failing("a/no"));
        bench.order("a/no | a/one");
        bench.write(
            "cnb/system.toml",
            "[[system.pre.buildpacks]]\nid = \"a/pre\"\nversion = \"1\"\n[[system.post.buildpacks]]\nid = \"a/post\"\nversion = \"1\"\n",
        );
        bench.expect(0, "detector", &[]);
        let expected = if api.since(15) { vec!["a/pre", "a/one", "a/post"] } else { vec!["a/one"] };
        assert_eq!(group(&bench), expected);
    });
}

#[test]
fn a_system_buildpack_whose_id_is_in_the_group_is_not_added() {
    on_platform_apis_since(15, |api| {
        let bench = Bench::on(api);
        bench.add(&buildpack("a/one"));
        bench.add(&buildpack("a/one").version("2"));
        bench.order("a/one@2");
        bench.write("cnb/system.toml", "[[system.pre.buildpacks]]\nid = \"a/one\"\nversion = \"1\"\n");
        bench.expect(0, "detector", &[]);
        assert_eq!(bench.toml("layers/group.toml")["group"][0]["version"].as_str(), Some("2"));
        assert_eq!(group(&bench), ["a/one"]);
    });
}

#[test]
fn system_buildpacks_are_required_whatever_they_say() {
    on_platform_apis_since(15, |api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.add(&failing("a/no"));
        bench.write("cnb/system.toml", "[[system.post.buildpacks]]\nid = \"a/no\"\nversion = \"1\"\noptional = true\n");
        bench.expect(20, "detector", &[]);
    });
}

#[test]
fn a_bad_system_toml_ends_with_1_from_0_15_on() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        bench.write("cnb/system.toml", "[[bad");
        let said = bench.expect(if api.since(15) { 1 } else { 0 }, "detector", &[]);
        assert_eq!(said.contains("failed to read system file: toml: "), api.since(15), "{said}");
    });
}

#[test]
fn image_extensions_end_with_22_from_0_10_on_and_are_unknown_before() {
    on_every_platform_api(|api| {
        let bench = Bench::with(api, &[buildpack("a/one")]);
        let order = bench.read("cnb/order.toml");
        let extensions = "[[order-extensions]]\n[[order-extensions.group]]\nid = \"a/ext\"\nversion = \"1\"\n";
        bench.write("cnb/order.toml", &(order + extensions));
        let said = bench.expect(if api.since(10) { 22 } else { 0 }, "detector", &[]);
        assert_eq!(said.contains("image extensions are not supported"), api.since(10), "{said}");
        let said = bench.expect(102, "extender", &[]);
        assert!(said.contains("ERROR: failed to extend: image extensions are not supported"), "{said}");
    });
}
