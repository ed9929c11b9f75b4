// SPDX-License-Identifier: Apache-2.0
//! The targets. Where one takes several texts, [`SEPARATOR`] stands between them.
use super::allocation::{MODEL, PARSED};
use ergon_engine::{
    artifact::{Artifact, Verify},
    chat::{ChatTemplate, Message},
    cpu::{CpuBackend, CpuEncoder},
    import::{import, Options},
    tokenizer::{decode, wordpiece::WordPiece, Tokenizer},
    Backend, Encoder, EncoderModel, Model,
};
use std::{fs, ops::ControlFlow, path::Path, sync::Arc};

/// What is run over an input.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Bytes that any input may cost.
    pub base: usize,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]), base: usize) -> Self {
        Self { name, run, base }
    }
}

pub const GGUF: Target = Target::new("gguf", gguf, MODEL);
pub const HUGGINGFACE: Target = Target::new("huggingface", huggingface, MODEL);
pub const ARTIFACT: Target = Target::new("artifact", artifact, MODEL);
pub const TOKENIZER: Target = Target::new("tokenizer", tokenizer, PARSED);
pub const CHAT: Target = Target::new("chat", chat, PARSED);

/// What stands between the parts of an input.
pub const SEPARATOR: &[u8] = b"\n---\n";

/// Parts of an input; missing ones are empty.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data;
    std::array::from_fn(|part| {
        let cut = rest.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR);
        match cut.filter(|_| part + 1 < N) {
            Some(cut) => {
                let (found, after) = (&rest[..cut], &rest[cut + SEPARATOR.len()..]);
                rest = after;
                found
            }
            None => std::mem::take(&mut rest),
        }
    })
}

fn in_folder(run: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    run(folder.path());
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("temporary files can be written");
}

/// A GGUF file.
fn gguf(data: &[u8]) {
    in_folder(|folder| {
        let file = folder.join("model.gguf");
        write(&file, data);
        import_and_load(&file, folder);
    });
}

/// A Hugging Face folder: `config.json`, `tokenizer.json`, `model.safetensors.index.json`, `shard.safetensors`; if the index is empty, there
/// is none, and the weights are in `model.safetensors`.
fn huggingface(data: &[u8]) {
    in_folder(|folder| {
        let [config, tokenizer, index, weights] = parts(data);
        let source = folder.join("model");
        fs::create_dir(&source).expect("temporary folders can be made");
        write(&source.join("config.json"), config);
        write(&source.join("tokenizer.json"), tokenizer);
        if index.is_empty() {
            write(&source.join("model.safetensors"), weights);
        } else {
            write(&source.join("model.safetensors.index.json"), index);
            write(&source.join("shard.safetensors"), weights);
        }
        import_and_load(&source, folder);
    });
}

/// Whatever is imported must be loaded, and give logits or an embedding.
fn import_and_load(source: &Path, folder: &Path) {
    let out = folder.join("model.ergon");
    let options = Options {
        name: Some("fuzzed".into()),
        context: None,
    };
    match import(source, &out, &options, &mut |_| ControlFlow::Continue(())) {
        Ok(manifest) if manifest.architecture.is_decoder() => {
            forward(Artifact::load(&out, Verify::Full).expect("what was imported is an artifact"));
        }
        Ok(_) => encode(Artifact::load_encoder(&out, Verify::Full).expect("what was imported is an artifact")),
        Err(error) => assert!(!out.exists(), "{error}, yet there is an artifact"),
    }
}

fn forward(model: Model) {
    let backend = CpuBackend::new(Arc::new(model));
    let Ok(mut sequence) = backend.sequence(2) else {
        return;
    };
    sequence
        .forward(&[0, 1], 1)
        .expect("a sequence for two tokens takes two tokens");
}

fn encode(model: EncoderModel) {
    let tokenizer = WordPiece::from_json(model.tokenizer.as_bytes());
    let tokens = tokenizer.and_then(|tokenizer| tokenizer.encode("a b"));
    let encoder = CpuEncoder::new(Arc::new(model));
    encoder.encode(&[0]).expect("every encoder takes one token");
    if let Ok(tokens) = tokens {
        let _ = encoder.encode(&tokens);
    }
}

/// An artifact: everything that is read of one, whether or not its content is what the manifest binds.
fn artifact(data: &[u8]) {
    in_folder(|folder| {
        let file = folder.join("model.ergon");
        write(&file, data);
        let Ok(artifact) = Artifact::open(&file) else {
            return;
        };
        let _ = artifact.verify();
        if let Ok(Some(template)) = ChatTemplate::read(&artifact) {
            let _ = template.render(&[Message::user("Hi")], true);
        }
        if let Ok(model) = artifact.model() {
            let _ = Tokenizer::from_json(model.tokenizer.as_bytes());
            forward(model);
        }
        if let Ok(model) = artifact.encoder() {
            encode(model);
        }
    });
}

/// A tokenizer's definition, a decoder's or an encoder's, and a text.
fn tokenizer(data: &[u8]) {
    let [definition, text] = parts(data);
    let text = String::from_utf8_lossy(text);
    if let Ok(tokenizer) = WordPiece::from_json(definition) {
        let _ = (tokenizer.encode(&text), tokenizer.token_table(1 << 10));
    }
    let Ok(tokenizer) = Tokenizer::from_json(definition) else {
        return;
    };
    let table = tokenizer.token_table(1 << 10);
    if let (Ok(ids), Ok(table)) = (tokenizer.encode(&text), table) {
        decode(&table, &ids);
    }
    let _ = tokenizer.encode_continuation(&text);
}

/// Templates as models have them.
const TEMPLATES: [&str; 3] = [
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
     {{ '<|im_start|>system\nBe kind<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + \
     '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
     {{ raise_exception('roles must alternate') }}{% endif %}{{ '[INST] ' + message['content'].strip() + ' [/INST]' if \
     message['role'] == 'user' else message['content'] ~ eos_token }}{% endfor %}",
    "{%- set ns = namespace(system='') -%}{%- for message in messages -%}{%- if message.role == 'system' -%}{%- set ns.system = \
     message.content | trim -%}{%- else -%}<{{ message.role | upper }}>{{ message.content.split('</think>')[-1].lstrip('\n') | \
     replace('<', '&lt;') }}\n{%- endif -%}{%- endfor -%}{{ ns.system }}{{ messages | tojson }}",
];

/// Whether one step of a template may take more memory than such an input is allowed, within the template engine's bounds: a text that is
/// multiplied may have 100 MB, and a range 100,000 elements. Such a template is only parsed. Larger numbers are refused where they matter.
fn may_ask_for_much(template: &str) -> bool {
    let numbers = template.split(|char: char| !char.is_ascii_digit() && char != '_');
    let mut digits = numbers.map(|number| number.replace('_', "").trim_start_matches('0').len());
    template.contains('*') || digits.any(|digits| (4..=6).contains(&digits))
}

/// Messages, one a line with the role before a colon, and a template, which is used after each of [`TEMPLATES`].
fn chat(data: &[u8]) {
    let [messages, template] = parts(data);
    let messages: Vec<Message> = String::from_utf8_lossy(messages)
        .split('\n')
        .map(|line| {
            let (role, content) = line.split_once(':').unwrap_or(("user", line));
            Message {
                role: role.into(),
                content: content.into(),
            }
        })
        .collect();
    for template in TEMPLATES {
        let template = ChatTemplate::new(template, "<s>", "</s>").expect("a usual template is valid");
        let _ = template.render(&messages, true);
    }
    let source = String::from_utf8_lossy(template);
    match ChatTemplate::new(&source, "<s>", "</s>") {
        Ok(template) if !may_ask_for_much(&source) => drop(template.render(&messages, true)),
        _ => (),
    }
}
