"""A proxy of your own: a function whose parameters say what it needs, scored, ranked and tested like any other.

Run it with `python examples/own_proxy.py`, or rank networks by it on the command line:

    plainnet score STRUCTURE STRUCTURE --proxies examples/own_proxy.py --proxy effective_rank,zen
"""

import plainnet
from plainnet.testing.proxies import check_proxy


@plainnet.proxy(cost="1 forward")
def effective_rank(module, images):
    """How many directions the pooled features use: exp of the entropy of their covariance's spectrum."""
    features = module(images).detach()
    features = features - features.mean(0)
    spectrum = (features @ features.T).double().svd().S
    shares = spectrum / spectrum.sum()
    return float((-(shares * (shares + 1e-12).log()).sum()).exp())


def main() -> None:
    check_proxy("effective_rank")
    networks = {
        "narrow": "SuperConvK3BNRELU(3,16,2,1)SuperResK3K3(16,16,2,8,4)",
        "wide": "SuperConvK3BNRELU(3,64,2,1)SuperResK3K3(64,64,2,64,1)",
    }
    for name, structure in networks.items():
        result = plainnet.score(structure, "effective_rank", resolution=32, num_classes=10, repeats=8)
        low, high = result.ci95
        print(f"{name:8s} {result.mean:.2f}  [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
