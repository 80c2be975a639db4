"""Hints about what is around an engine: the shell, the loader, the disk, the container client."""

from __future__ import annotations

from swapd.engines.hints_row import HERE, Row

CONTAINERS = (
    Row(
        r"Cannot connect to the Docker daemon|unable to connect to Podman socket",
        "docker does not answer: start it (systemctl start docker), or set DOCKER_HOST in the model's env",
        "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
        "running?",
        "docker/for-mac issue 1114",
    ),
    Row(
        r"permission denied while trying to connect to the Docker",
        "swapd's user may not talk to docker: add it to the group docker, or use rootless podman",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "Docker Engine, post-installation steps for Linux",
    ),
    Row(
        r"container name \"/?(?P<what>[^\"]+)\" is already in use",
        "a container named <what> is left from before: docker rm -f <what>; then give the command --rm, and the "
        "model 'stop: docker stop <what>'",
        'docker: Error response from daemon: Conflict. The container name "/vllm-box" is already in use by '
        "container "
        '"0a459be88f81". You have to remove (or rename) that container to be able to reuse that name.',
        "docker run reference",
    ),
    Row(
        r"port is already allocated|Error starting userland proxy|ports are not available",
        "another container or process has the port: publish the one that swapd chose, -p 127.0.0.1:${port}:8000",
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint "
        "vllm-box: "
        "Bind for 127.0.0.1:8000 failed: port is already allocated.",
        "InternLM/lmdeploy issue 3950",
    ),
    Row(
        r"could not select device driver|nvidia-container-cli: |unresolvable CDI devices",
        "docker cannot hand out the GPU: install nvidia-container-toolkit, then restart docker",
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "NVIDIA/nvidia-docker issue 1352",
    ),
    Row(
        r"(pull access denied for|manifest for) (?P<what>[^\s,]+)|manifest unknown"
        r"|requested access to the resource is",
        "the image cannot be had (<what>): check its name and tag in command, docker login, or pull it by hand",
        "docker: Error response from daemon: pull access denied for vllm/vlm-openai, repository does not exist or "
        "may "
        "require 'docker login'",
        "docker pull reference",
    ),
    Row(
        r"Cannot access gated repo|GatedRepoError",
        "the model's licence must be accepted on its page first; then set HF_TOKEN in the model's env",
        "OSError: You are trying to access a gated repo.\nCannot access gated repo for url "
        "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct/resolve/main/config.json.",
        "huggingface_hub, errors",
    ),
)

SYSTEM = (
    Row(
        r"error while loading shared libraries: (?P<what>[^\s:]+)",
        "the binary misses <what>: install it, or name its folder in LD_LIBRARY_PATH in the model's env",
        "llama-server: error while loading shared libraries: libllama-server-impl.so: cannot open shared object "
        "file: No such file or directory",
        HERE,
    ),
    Row(
        r"version `(?P<what>(GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found",
        "the binary was built for a newer system (<what>): take a build for this one, or build it here",
        "llama-server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by llama-server)",
        "ld.so(8)",
    ),
    Row(
        r"cannot execute binary file|Exec format error",
        "the binary is for another processor, or damaged: take a build for this machine (uname -m)",
        "bash: line 1: /srv/llama-server: cannot execute binary file: Exec format error",
        "bash 5.2, provoked",
    ),
    Row(
        r"^\S*(ba|da|z)?sh: .*?(?P<what>[\w./+-]+): (command )?not found$"
        r"|^\S*env: \W(?P<name>[^'’]+).: No such file",
        "there is no such command here: <line>; write its whole path, or set PATH in the model's env",
        "bash: line 1: llama-serverr: command not found",
        "bash 5.2, provoked",
    ),
    Row(
        r"^\S*(ba|da|z)?sh: .*?(?P<what>[\w./+-]+): (cannot execute: )?Permission denied$",
        "<what> may not be executed: chmod +x it, and let swapd's user into its folder",
        "bash: line 1: /srv/llama-server: Permission denied",
        "bash 5.2, provoked",
    ),
    Row(
        r"ModuleNotFoundError: No module named '(?P<what>[\w.]+)'",
        "this Python lacks <what>: begin the command with the python of the environment that has it",
        "ModuleNotFoundError: No module named 'vllm'",
        "Python, built-in exceptions",
    ),
    Row(
        r"No space left on device",
        "a disk is full: make room where the engine writes (df -h shows which)",
        "OSError: [Errno 28] No space left on device: '/srv/cache/vllm'",
        "errno(3)",
    ),
    Row(
        r"Too many open files",
        "it ran out of file descriptors: raise LimitNOFILE= of swapd's service (or ulimit -n)",
        "OSError: [Errno 24] Too many open files",
        "errno(3)",
    ),
    Row(
        r"what\(\):\s+Resource temporarily unavailable|pthread_create failed|can't start new thread",
        "it may start no more threads: lower threads, or raise TasksMax= of swapd's service (or ulimit -u)",
        "terminate called after throwing an instance of 'std::system_error'\n"
        "  what():  Resource temporarily unavailable",
        HERE,
    ),
)
