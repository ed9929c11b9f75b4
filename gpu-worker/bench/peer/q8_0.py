# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file again with every matrix as Q8_0; metadata and vectors stay as they are.

usage: q8_0.py SOURCE.gguf DESTINATION.gguf        (needs gguf==0.19.0)
"""
import os
import sys

from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, quants

source, destination = sys.argv[1:]
reader = GGUFReader(source)
architecture = reader.get_field("general.architecture").contents()
writer = GGUFWriter(destination + ".part", architecture)
for name, field in reader.fields.items():
    # The writer adds these itself.
    if name.startswith("GGUF.") or name == "general.architecture":
        continue
    kind = field.types[0]
    value = LlamaFileType.MOSTLY_Q8_0 if name == "general.file_type" else field.contents()
    writer.add_key_value(name, value, kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
for tensor in reader.tensors:
    values, encoding = tensor.data, tensor.tensor_type
    if len(tensor.shape) > 1:
        encoding = GGMLQuantizationType.Q8_0
        values = quants.quantize(quants.dequantize(tensor.data, tensor.tensor_type), encoding)
    writer.add_tensor(tensor.name, values, raw_dtype=encoding)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
os.replace(destination + ".part", destination)
