"""Hints about GPUs and their drivers, whichever of them, and whoever computes on them."""

from __future__ import annotations

from swapd.engines.hints_row import Row

GPUS = (
    Row(
        r"is less than desired GPU memory utilization",
        "others hold the GPU's memory: lower --gpu-memory-utilization in command, or tell swapd in needs what it "
        "takes",
        "ValueError: Free memory on device (67.24/79.25 GiB) on startup is less than desired GPU memory "
        "utilization "
        "(0.9, 71.33 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "ovg-project/kvcached issue 110",
    ),
    Row(
        r"No available memory for the cache blocks|larger than the available KV cache memory",
        "the context does not fit beside the model: lower --max-model-len in command, or raise "
        "--gpu-memory-utilization and needs",
        "ValueError: To serve at least one request with the models's max seq len (131072), (4.00 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (0.65 GiB).",
        "vllm-project/vllm issue 2248",
    ),
    Row(
        r"(CUDA|HIP|XPU) out of memory\. Tried to allocate|torch\.\S*OutOfMemoryError",
        "the GPU has not enough free memory: lower --gpu-memory-utilization or --max-model-len in command, and "
        "tell "
        "swapd in needs what it takes",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 270.00 MiB. GPU 1 has a total capacity of "
        "21.98 GiB of which 156.94 MiB is free.",
        "vllm-project/vllm issue 17835",
    ),
    Row(
        r"cudaMalloc failed|CUDA error: out of memory|OutOfDeviceMemory|OUT_OF_DEVICE_MEMORY|hipErrorOutOfMemory"
        r"|ROCm error: out of memory|Device memory allocation of size"
        r"|(unable to allocate|failed to allocate) (CUDA|ROCm|Vulkan|SYCL|Metal|MUSA|CANN)\S* buffer",
        "the GPU has not enough free memory: lower gpu_layers, context or parallel, or make the budget tighter",
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 13285.50 MiB on device 0: cudaMalloc failed: out "
        "of "
        "memory\nllama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache",
        "ggml, the CUDA backend's message",
    ),
    Row(
        r"no kernel image is available|invalid device function|Cannot read \S*TensileLibrary",
        "the engine was built for other GPUs than this one: take or make a build for its architecture "
        "(CMAKE_CUDA_ARCHITECTURES, GPU_TARGETS); on AMD, HSA_OVERRIDE_GFX_VERSION in the model's env may do",
        "ggml_cuda_compute_forward: SCALE failed\n"
        "CUDA error: no kernel image is available for execution on the device",
        "ggml-org/llama.cpp issue 4215",
    ),
    Row(
        r"CUDA driver version is insufficient|unsupported display driver / cuda driver|unsupported toolchain"
        r"|Driver/library version mismatch",
        "the NVIDIA driver does not match the engine's CUDA: update the driver and reboot, or take a build for an "
        "older CUDA",
        "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA runtime version",
        "ollama/ollama issue 7666",
    ),
    Row(
        r"(?P<what>/dev/(kfd|nvidia\w*|dri/\w+)).{0,40}Permission denied",
        "swapd's user may not open <what>: add it to the groups render and video, or name them in the service's "
        "SupplementaryGroups=",
        "Unable to open /dev/kfd read-write: Permission denied",
        "ROCm, rocminfo's message",
    ),
    Row(
        r"illegal memory access|unspecified launch failure|misaligned address|device-side assert|uncorrectable ECC"
        r"|DeviceLost|DEVICE_LOST|device lost on|Memory access fault by GPU|GPU Hang|fallen off the bus",
        "the GPU or its driver failed at work: dmesg says more (Xid, amdgpu, xe); update the driver or the "
        "engine, "
        "try without overclocking, and reboot if the GPU does not come back",
        "terminate called after throwing an instance of 'vk::DeviceLostError'\n"
        "  what():  vk::Queue::submit: ErrorDeviceLost",
        "ggml-org/llama.cpp issue 27849",
    ),
    Row(
        r"^.{0,40}(CUDA|ROCm|SYCL|MUSA|HIP) error: (?P<what>.+)$",
        "the GPU's driver said '<what>': dmesg may say more; try another build of the engine or of the driver",
        "CUDA error: the launch timed out and was terminated\n"
        "  current device: 0, in function ggml_backend_cuda_synchronize at ggml-cuda.cu:2780",
        "ggml, CUDA_CHECK's message",
    ),
)

NO_GPU = (
    Row(
        r"no (CUDA|ROCm)-capable device is detected|Failed to infer device type",
        "the engine sees no GPU: check nvidia-smi or rocminfo as swapd's user, and CUDA_VISIBLE_DEVICES or "
        "HIP_VISIBLE_DEVICES in the model's env",
        "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
        "ggml, the CUDA backend's message",
    ),
)
"""An engine may go on without one, so this is its end only where nothing else is found."""
