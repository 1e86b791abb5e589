"""Makes a tiny random Qwen2 model, to try the model client on a server we did not write.

Nothing here is part of the product. It runs in the environment of `make test-model`, which has
Qwen's tokenizer, with `transformers[serving]` added to it:

    .venv-model/bin/pip install 'transformers[serving]'
    .venv-model/bin/python -m benchmarks.transformers_peer MODEL

It prints the command that serves the model. What the model says has no meaning; how it is said has.
"""

import argparse
import json
from pathlib import Path

from peers.qwen import real_tokenizer
from peers.tiny_qwen import write_servable


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="make a tiny random Qwen2 model to serve")
    parser.add_argument("folder", type=Path, help="where the model is written; about 50 MB")
    folder = parser.parse_args().folder.resolve()
    write_servable(folder, real_tokenizer())
    print("serve it with")
    print(
        f"  HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 transformers serve {folder} --device cpu"
        " --dtype float32 --host 127.0.0.1 --port 8900"
    )
    endpoint = {"url": "http://127.0.0.1:8900/v1", "model": str(folder)}
    print("and set")
    print(f"  XIAOQ_INFERENCE__ENDPOINTS='[{json.dumps(endpoint)}]'")


if __name__ == "__main__":
    main()
