"""A BERT over user and item tokens: u_i and v_j from behaviour and content."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from components.semantic.fusion import Fusion

Arrays = dict[str, np.ndarray[Any, Any]]
PAD, SEP, MASK = -1, -2, -3  # in place of an item's index
SPREAD = 0.5  # at the start, of tokens that stand beside item tokens, whose spread is 1: BERT's 0.02 would vanish beside them
_CLS, _SEP, _MASK, _UNKNOWN = range(4)  # rows of the table of special tokens


@dataclass(frozen=True)
class Shape:
    """What decides the sizes of all weights."""

    width: int
    layers: int
    heads: int
    length: int
    dropout: float
    items: int
    users: int
    content: tuple[int, ...]
    drop: float
    profile: int = 0


class BehaviourBERT(nn.Module):
    """u_i = BERT([CLS] ⊕ user_i ⊕ profile_i ⊕ history_i ⊕ [SEP]) and v_j = BERT([CLS] ⊕ item_j ⊕ [SEP]), each the output at [CLS].

    An item's token is x_j = LayerNorm(sum_m g_jm · P_m e_j^m + r_j): the e_j^m side by side are its content vector, r_j is a
    learned residual that is zero for items unseen in training. Users unseen in training share the token [UNK]. A profile's
    token is LayerNorm(W p_i + b) of its text's vector p_i, masked for who has none, and not there where nobody has one. Positions
    count from the end of the sequence, so that neither padding nor dropped old events move the recent ones. BERT4Rec (Sun et
    al., 2019), with content.

    Args:
        content: float32 (items, sum of `shape.content`, the modalities' widths); zeros where an item lacks a modality.
        items, users: bool, whether the item (user) occurs in training.
        profiles: float32 (users, `shape.profile`), zeros where a user has none; none has when not given.
    """

    content: Tensor
    profiles: Tensor
    seen: Tensor
    known: Tensor

    def __init__(self, shape: Shape, content: Tensor, items: Tensor, users: Tensor, profiles: Tensor | None = None) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.register_buffer("content", content, persistent=False)
        self.register_buffer("profiles", torch.zeros(shape.users, shape.profile) if profiles is None else profiles, persistent=False)
        self.register_buffer("seen", items)
        self.register_buffer("known", users)
        self.fusion = Fusion(shape.content, width, shape.drop)
        self.residual = nn.Parameter(torch.randn(shape.items, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(shape.items))
        self.norm = nn.LayerNorm(width)
        self.special = nn.Parameter(torch.randn(4, width) * SPREAD)
        self.users = nn.Parameter(torch.randn(shape.users, width) * SPREAD)
        self.bert = BertModel(_config(shape), add_pooling_layer=False)
        for table in (self.bert.embeddings.position_embeddings, self.bert.embeddings.token_type_embeddings):
            nn.init.normal_(table.weight, std=SPREAD)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.views = nn.ModuleList([nn.Linear(wide, width) for wide in shape.content])
        self.verdict = nn.Linear(2 * width, 1)
        self.profile = _profile(self.profiles, width) if shape.profile else None

    def encode_users(self, history: Tensor, users: Tensor | None = None, profiles: Tensor | None = None) -> Tensor:
        """Encode histories to u, (b, d).

        Args:
            history: int64 (b, any width), oldest first, right-aligned, -1 before the first item.
            users: int64 (b,), indices of users, -1 for strangers; all are strangers when not given.
            profiles: float32 (b, `shape.profile`), zeros where there is none; the users' own when not given.
        """
        who = torch.full_like(history[:, :0].sum(1), -1) if users is None else users
        return self(self.sequence(history), who, profiles=profiles)[:, 0]

    def encode_items(self, items: Tensor | None = None) -> Tensor:
        """Encode items (int64 (n,); all when not given) to v, (n, d)."""
        wanted = torch.arange(self.shape.items, device=self.special.device) if items is None else items
        return self(torch.stack([wanted, torch.full_like(wanted, SEP)], 1), None)[:, 0]

    def sequence(self, history: Tensor) -> Tensor:
        """Cut histories to the longest and to `length`, and close them with [SEP]."""
        longest = int((history >= 0).sum(1).max()) if history.numel() else 0
        cut = history[:, history.shape[1] - min(longest, self.shape.length) :]
        return functional.pad(cut, (0, 1), value=SEP)

    def forward(self, tokens: Tensor, users: Tensor | None, kinds: Tensor | None = None, profiles: Tensor | None = None) -> Tensor:
        """Run [CLS], the user's token and profile (none when `users` is None) and the tokens through the BERT.

        Args:
            tokens: int64 (b, t), item indices, PAD, SEP and MASK, right-aligned.
            kinds: int64 (b, t), 1 in segment B; all A when not given.
            profiles: as in `encode_users`.

        Returns:
            (b, 1 or 2 + t, d): of [CLS], the user's token and the tokens.
        """
        size = len(tokens)
        head = [self.special[_CLS].expand(size, 1, -1)] + ([] if users is None else [self._user(users)[:, None]])
        shown = torch.ones(size, len(head), dtype=torch.long, device=tokens.device)
        if users is not None and self.profile is not None:
            told = self._told(users) if profiles is None else profiles
            head, shown = [*head, self.profile(told)[:, None]], torch.cat([shown, told.any(1, keepdim=True).long()], 1)
        inputs = torch.cat([*head, self._tokens(tokens)], 1)
        types = torch.zeros_like(tokens) if kinds is None else kinds
        needed = (tokens != PAD).sum(1)
        groups = _alike(needed)
        longest = [int(needed[part].max()) for part in groups]
        runs = zip(groups, longest, strict=True)
        outputs = [self._run(inputs[part], tokens[part], types[part], shown[part], short) for part, short in runs]
        return torch.cat(outputs)[torch.cat(groups).argsort()] if size else inputs

    def embed(self, items: Tensor | None = None) -> Tensor:
        """Tokens x_j of items (int64 (n,); all when not given), (n, d)."""
        content, residual, seen = (
            (self.content, self.residual, self.seen)
            if items is None
            else (self.content[items], functional.embedding(items, self.residual), self.seen[items])
        )
        return self.norm(self.fusion(content) + residual * seen[:, None])

    def predict(self, states: Tensor, items: Tensor | None = None) -> Tensor:
        """Log-odds of items (all when not given) at masked places with these states: (n, d) to (n, items)."""
        bias = self.bias * self.seen
        return self.head(states) @ self.embed(items).T / self.shape.width**0.5 + (bias if items is None else bias[items])

    def follows(self, tokens: Tensor, kinds: Tensor, states: Tensor) -> Tensor:
        """Log-odds (b,) that segment B is of A's user, from the output at [CLS] and the product of the segments' means.

        Args:
            tokens, kinds, states: what `forward` was given, with users, and what it returned.
        """
        items = (tokens != PAD) & (tokens != SEP)
        first, second = (_mean(states[:, 2:], items & (kinds == kind)) for kind in (0, 1))
        return self.verdict(torch.cat([states[:, 0], first * second], 1))[:, 0]

    def tensors(self) -> Arrays:
        """All that was learned, float32, by name; the content is not among it."""
        state = {name: value.detach().cpu() for name, value in self.state_dict().items()}
        return {name: (value.float() if value.is_floating_point() else value).numpy() for name, value in state.items()}

    def about(self) -> dict[str, Any]:
        """What `restore` needs beside the tensors, as JSON."""
        return {name: value for name, value in asdict(self.shape).items() if value or name != "profile"}

    def _run(self, inputs: Tensor, tokens: Tensor, types: Tensor, shown: Tensor, width: int) -> Tensor:
        """Run rows of which only the last `width` tokens are more than PAD; what was not run comes back as zeros, the profile not."""
        head, blank = shown.shape[1], tokens.shape[1] - width
        ahead = [self.shape.length + place for place in (3, 2, 4)][:head]
        places = torch.tensor([*ahead, *range(width - 1, -1, -1)], device=tokens.device)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.device.type == "cuda"):
            output = self.bert(
                inputs_embeds=torch.cat([inputs[:, :head], inputs[:, head + blank :]], 1),
                attention_mask=torch.cat([shown, (tokens[:, blank:] != PAD).long()], 1),
                token_type_ids=functional.pad(types[:, blank:], (head, 0)),
                position_ids=places.expand(len(tokens), -1),
            ).last_hidden_state.to(inputs.dtype)
        return torch.cat([output[:, : min(head, 2)], functional.pad(output[:, head:], (0, 0, blank, 0))], 1)

    def _user(self, users: Tensor) -> Tensor:
        place = users.clamp(min=0)
        known = (users >= 0) & self.known[place] if len(self.known) else torch.zeros_like(users, dtype=torch.bool)
        own = functional.embedding(place, self.users) if len(self.known) else self.special[_UNKNOWN].expand(len(users), -1)
        return torch.where(known[:, None], own, self.special[_UNKNOWN])

    def _told(self, users: Tensor) -> Tensor:
        """The users' own profiles, (b, `shape.profile`)."""
        if not len(self.profiles):
            return torch.zeros(len(users), self.shape.profile, dtype=self.special.dtype, device=users.device)
        return self.profiles[users.clamp(min=0)] * (users >= 0)[:, None]

    def _tokens(self, tokens: Tensor) -> Tensor:
        items, places = torch.unique(tokens.clamp(min=0), return_inverse=True)
        embedded = functional.embedding(places, self.embed(items))
        for mark, row in ((SEP, _SEP), (MASK, _MASK)):
            embedded = torch.where((tokens == mark)[..., None], self.special[row], embedded)
        return embedded


def restore(tensors: Arrays, about: dict[str, Any], content: np.ndarray[Any, Any]) -> BehaviourBERT:
    """Rebuild a module from `tensors()`, `about()` and the items' content vectors, ready to encode; profiles are not kept."""
    shape = replace(Shape(**about), content=tuple(about["content"]))
    items, users = torch.from_numpy(tensors["seen"]), torch.from_numpy(tensors["known"])
    module = BehaviourBERT(shape, torch.from_numpy(content), items, users)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return module.eval()


def join(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Lay A [SEP] B [SEP] right-aligned, without gaps; a row whose B is all PAD becomes A [SEP].

    Args:
        first, second: int64 (b, any width) items and PAD.

    Returns:
        tokens and kinds (1 in B and its [SEP]), int64 (b, t).
    """
    paired = (second != PAD).any(1, keepdim=True).long()
    middle = torch.where(paired > 0, SEP, PAD)
    tokens = torch.cat([first, middle, second, torch.full_like(middle, SEP)], 1)
    kinds = torch.cat([torch.zeros_like(first), torch.zeros_like(middle), paired.expand_as(second), paired], 1)
    order = (tokens != PAD).long().argsort(dim=1, stable=True)
    width = int((tokens != PAD).sum(1).max())
    return tokens.gather(1, order)[:, -width:], kinds.gather(1, order)[:, -width:]


def _profile(told: Tensor, width: int) -> nn.Sequential:
    """What makes a token of a profile; at the start the mean profile says nothing."""
    linear, known = nn.Linear(told.shape[1], width), told[told.any(1)]
    with torch.no_grad():
        linear.bias.copy_(-linear.weight @ known.mean(0) if len(known) else linear.bias)
    return nn.Sequential(linear, nn.LayerNorm(width))


def _mean(states: Tensor, shown: Tensor) -> Tensor:
    weight = shown.to(states.dtype)[..., None]
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


def _alike(lengths: Tensor, step: int = 16) -> list[Tensor]:
    """Group places by length, so that short rows are not computed at the width of the longest."""
    groups = -(-lengths // step)
    return [torch.nonzero(groups == group)[:, 0] for group in groups.unique()]


def _config(shape: Shape) -> BertConfig:
    return BertConfig(
        vocab_size=1,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=shape.length + 4 + (shape.profile > 0),
        pad_token_id=0,
    )
