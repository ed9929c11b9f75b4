// SPDX-License-Identifier: Apache-2.0
//! `ergon-worker web`: a model for a browser.
use super::arguments::{FewerLayers, ModelArguments};
use anyhow::{bail, Context};
use clap::Args;
use ergon_engine::gpu::{self, Selector, WgpuBackend};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// Writes a model for a browser: kernels, launches and weights, as the page in `gpu-worker/web` loads them.
///
/// Writes `program.json` and `program.bin` into a folder. The page computes with them by WebGPU, from the same WGSL, what `ergon-worker
/// selftest` computes with the same model, layers and lengths, and shows its digest. `make web` puts page and model together.
#[derive(Args, Debug)]
pub struct WebCommand {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    layers: FewerLayers,
    /// Most positions that the page can compute.
    #[arg(long, value_name = "TOKENS", default_value_t = 256)]
    positions: u32,
    /// Adapter to lay the weights out with: its number or a part of its name, as `ergon-worker adapters` shows them. Any will do.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    adapter: Selector,
    /// Folder to write to; made if it isn't there.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl WebCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        let model = self.layers.of(self.model.load()?)?;
        let context = model.dimensions().context;
        if !(1..=context).contains(&self.positions) {
            bail!("--positions: 1 to {context}, the model's context");
        }
        let adapter = gpu::select(&self.adapter)?;
        fs::create_dir_all(&self.out).with_context(|| format!("the folder {} can't be made", self.out.display()))?;
        let [program, contents] = ["program.json", "program.bin"].map(|name| self.out.join(name));
        let mut file = BufWriter::new(create(&contents)?);
        let written = WgpuBackend::program(model, &adapter, self.positions as usize, &mut file)?;
        file.flush()?;
        serde_json::to_writer(create(&program)?, &written)?;
        let bytes = fs::metadata(&contents)?.len();
        println!("{} and {} ({bytes} bytes)", program.display(), contents.display());
        Ok(())
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("{} can't be written", path.display()))
}
