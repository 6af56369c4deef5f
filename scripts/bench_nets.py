"""Networks for `bench_serving.py`, drawn at random: the shapes and operators that PyTorch's exporter writes.

Each maker answers an ONNX model with an open first dimension. Weights are small, so that no value runs away.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


class Net:
    """A graph that grows node by node; `last` is the value made last."""

    def __init__(self, shape):
        self.rng = np.random.default_rng(5)
        self.nodes, self.weights = [], []
        self.shape, self.last = shape, "x"

    def weight(self, *shape, scale=None):
        scale = scale or 1 / np.sqrt(np.prod(shape[1:]) or 1)
        return self.constant(self.rng.normal(0, scale, shape).astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, kind, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}" if at == 0 else f"v{len(self.nodes)}_{at}" for at in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        self.last = names[0]
        return names[0] if outputs == 1 else names

    def dense(self, value, width, out):
        return self.add("Gemm", value, self.weight(out, width), self.weight(out, scale=0.1), transB=1)

    def conv(self, value, width, out, kernel, stride=1, groups=1, act="Relu"):
        weights = self.weight(out, width // groups, kernel, kernel)
        pad = [kernel // 2] * 4
        value = self.add("Conv", value, weights, self.weight(out, scale=0.1), kernel_shape=[kernel] * 2, pads=pad,
                         strides=[stride] * 2, group=groups)
        if act == "Relu":
            return self.add("Relu", value)
        if act == "Relu6":
            return self.add("Clip", value, self.constant(np.float32(0)), self.constant(np.float32(6)))
        return value

    def proto(self, *outputs):
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]) for name in outputs]
        taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *self.shape])
        graph = helper.make_graph(self.nodes, "net", [taken], infos, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def mlp(columns=30):
    net = Net([columns])
    value = "x"
    for width, out in ((columns, 256), (256, 128), (128, 64)):
        value = net.add("Relu", net.dense(value, width, out))
    return net.proto(net.add("Softmax", net.dense(value, 64, 4), axis=-1))


def recurrent(kind, steps=24, width=16, hidden=64):
    net = Net([steps, width])
    gates = {"LSTM": 4, "GRU": 3}[kind] * hidden
    value = net.add("Transpose", "x", perm=[1, 0, 2])
    weights = [net.weight(1, gates, width, scale=0.2), net.weight(1, gates, hidden, scale=0.1), net.weight(1, 2 * gates, scale=0.1)]
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    _, state = net.add(kind, value, *weights, outputs=2, hidden_size=hidden, **extra)
    state = net.add("Squeeze", state, net.constant(np.array([0])))
    return net.proto(net.dense(state, hidden, 8))


def encoder(steps=32, width=64, heads=4, layers=2):
    net = Net([steps, width])
    split = net.constant(np.array([0, 0, heads, width // heads]))
    joined = net.constant(np.array([0, 0, width]))

    def linear(value, inner, out):
        return net.add("Add", net.add("MatMul", value, net.weight(inner, out, scale=1 / np.sqrt(inner))), net.weight(out, scale=0.1))

    def norm(value):
        ones, zeros = net.constant(np.ones(width, np.float32)), net.constant(np.zeros(width, np.float32))
        return net.add("LayerNormalization", value, ones, zeros, axis=-1, epsilon=1e-5)

    def part(value, perm):
        return net.add("Transpose", net.add("Reshape", linear(value, width, width), split), perm=perm)

    value = "x"
    for _ in range(layers):
        query, key, said = part(value, [0, 2, 1, 3]), part(value, [0, 2, 3, 1]), part(value, [0, 2, 1, 3])
        near = net.add("Div", net.add("MatMul", query, key), net.constant(np.float32(np.sqrt(width // heads))))
        mixed = net.add("MatMul", net.add("Softmax", near, axis=-1), said)
        mixed = net.add("Reshape", net.add("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        value = norm(net.add("Add", value, linear(mixed, width, width)))
        wide = linear(value, width, 4 * width)
        bent = net.add("Add", net.add("Erf", net.add("Div", wide, net.constant(np.float32(np.sqrt(2))))), net.constant(np.float32(1)))
        bent = net.add("Mul", net.add("Mul", wide, bent), net.constant(np.float32(0.5)))
        value = norm(net.add("Add", value, linear(bent, 4 * width, width)))
    mean = net.add("ReduceMean", value, net.constant(np.array([1])), keepdims=0)
    return net.proto(net.dense(mean, width, 4))


def head(net, value, width):
    value = net.add("Flatten", net.add("GlobalAveragePool", value), axis=1)
    return net.proto(net.dense(value, width, 1000))


def resnet18(size=224):
    net = Net([3, size, size])
    value = net.conv("x", 3, 64, 7, 2)
    value = net.add("MaxPool", value, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    width = 64
    for out, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        inner = net.conv(net.conv(value, width, out, 3, stride), out, out, 3, act=None)
        if stride != 1 or width != out:
            value = net.conv(value, width, out, 1, stride, act=None)
        value, width = net.add("Relu", net.add("Add", inner, value)), out
    return head(net, value, width)


def mobilenet2(size=224):
    net = Net([3, size, size])
    value, width = net.conv("x", 3, 32, 3, 2, act="Relu6"), 32
    for grow, out, times, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for at in range(times):
            wide, before = width * grow, value
            if grow > 1:
                value = net.conv(value, width, wide, 1, act="Relu6")
            value = net.conv(value, wide, wide, 3, stride if at == 0 else 1, wide, act="Relu6")
            value = net.conv(value, wide, out, 1, act=None)
            if width == out:
                value = net.add("Add", value, before)
            width = out
    return head(net, net.conv(value, width, 1280, 1, act="Relu6"), 1280)


NETS = {
    "mlp": mlp,
    "lstm": lambda: recurrent("LSTM"),
    "gru": lambda: recurrent("GRU"),
    "encoder": encoder,
    "resnet18": resnet18,
    "mobilenet v2": mobilenet2,
}
