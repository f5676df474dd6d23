//! How the launcher is linked when it is built for size, as the one that is embedded in `dhow` is.

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    if std::env::var("OPT_LEVEL").as_deref() != Ok("z") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/link.ld");
    for argument in ["-Wl,--no-eh-frame-hdr", "-Wl,--build-id=none", "-T", script] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
