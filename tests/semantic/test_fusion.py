import numpy as np
import pytest
import torch

from components.semantic.fusion import Fusion, View, beside

WIDTHS = (3, 2)
CONTENT = torch.tensor([[1.0, 2, 3, 4, 5], [1, 2, 3, 0, 0], [0, 0, 0, 4, 5], [0, 0, 0, 0, 0]])


@pytest.fixture
def fusion():
    torch.manual_seed(1)
    made = Fusion(WIDTHS, 4, 0.5).eval()
    with torch.no_grad():
        for gate in made.gates:
            gate.normal_(std=0.1)
    return made


def test_weights_are_a_softmax_over_what_an_item_has(fusion):
    weights = fusion.weights(CONTENT)
    assert torch.allclose(weights.sum(1), torch.ones(4))
    assert weights[1:].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert (weights[0] > 0).all()


def test_a_missing_modality_leaves_no_trace(fusion):
    text, image = fusion.projections
    fused = fusion(CONTENT)
    assert torch.allclose(fused[1], text(CONTENT[1, :3]))
    assert torch.allclose(fused[2], image(CONTENT[2, 3:]))
    assert torch.allclose(fused[3], text.bias)
    one, two = fusion.weights(CONTENT)[0]
    assert torch.allclose(fused[0], one * text(CONTENT[0, :3]) + two * image(CONTENT[0, 3:]))


def test_one_modality_is_its_projection_to_the_bit():
    alone = Fusion((5,), 4, 0.5)
    assert torch.equal(alone(CONTENT), alone.projections[0](CONTENT))


def test_drop_out_leaves_one_modality_that_the_item_has(fusion):
    fusion.train()
    weights = fusion.weights(CONTENT.repeat(4000, 1)).reshape(4000, 4, 2)
    alone = (weights[:, 0] == 1).float().mean(0)
    assert alone == pytest.approx([0.25, 0.25], abs=0.03)
    assert weights[:, 1:].unique(dim=0).tolist() == [[[1, 0], [0, 1], [1, 0]]]


def test_a_view_is_centred_over_the_items_that_have_it():
    vectors = np.array([[3, 4], [0, 0], [5, 0], [1, 1]], dtype=np.float32)
    view = View("image", vectors, {1: "truncated", 7: "truncated"})
    centred = view.centred()
    assert centred.vectors[1].tolist() == [0, 0]
    assert np.linalg.norm(centred.vectors[[0, 2, 3]], axis=1) == pytest.approx(1)
    assert view.report() == {"width": 2, "there": 3, "missing": 1, "refused": {"truncated": 2}}
    assert beside([view, centred]).shape == (4, 4)
