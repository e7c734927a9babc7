//! Writes the seeds into `corpus/`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    for (target, _) in bes_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, content) in bes_fuzz::corpus::seeds(target) {
            std::fs::write(folder.join(name), content)?;
        }
    }
    Ok(())
}
