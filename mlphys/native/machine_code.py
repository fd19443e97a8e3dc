"""LLVM IR to machine code for this processor, compiled once and kept in a cache."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import mlphys
from mlphys.native.code_cache import CodeCache
from mlphys.native.processor import cpu_features

OPTIMIZATION = 2  # from 0 to 3: of the choice of instructions and registers; no bit of a result depends on it

_engines: list[object] = []  # an engine frees its machine code when it is garbage-collected


@functools.cache
def compile_ir(source: str, name: str) -> int:
    """Compile `source` for this processor; the address of its function `name`."""
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    processor, features = llvm.get_host_cpu_name(), cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=OPTIMIZATION
    )
    makers = (
        mlphys.__version__,
        ".".join(map(str, llvm.llvm_version_info)),
        machine.triple,
        processor,
        features,
        str(OPTIMIZATION),
    )
    key = hashlib.sha256("\0".join((*makers, source)).encode()).hexdigest()
    cache = CodeCache.of_user()
    code = cache.read(key)
    if code is None:
        code = _object_code(source, machine)
        cache.write(key, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    address = engine.get_function_address(name)
    assert address, name
    return address


def _object_code(source: str, machine: Any) -> bytes:
    from llvmlite import binding as llvm

    module = llvm.parse_assembly(source)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()  # variables into registers; further passes take time and gain nothing
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    code: bytes = machine.emit_object(module)
    return code
