"""A UNet in one string: 31 million params counted without building it, and a small one that learns to tell bright from dark."""

import torch

import plainnet
from plainnet.templates.necks import unet

large = plainnet.analyze_model(unet(2), resolution=256, num_classes=0, latency=False)
print(f"{large.params:,} params, {large.macs / 1e9:.1f} billion multiply-accumulates at 256x256")
assert large.params == 31_037_698

torch.manual_seed(0)
net = plainnet.PlainNet(unet(2, width=8, depth=2), num_classes=None)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(12):
    images = torch.nn.functional.interpolate(torch.randn(4, 3, 4, 4), scale_factor=8)
    masks = (images.mean(1) > 0).long()
    loss = torch.nn.functional.cross_entropy(net.forward_features(images), masks)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item():.3f}")
assert loss.item() < 0.6
