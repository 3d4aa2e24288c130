"""Trained networks with their story, in parts that can be reused and converted.

Folders are the truth; the index is made from them and can be made again. The layout is that of the Hugging Face hub, so that
a folder can be uploaded as it is:

    models/                        $PLAINNET_HOME/models, or --store DIR, or `store: DIR` in a configuration
      backbones/FAMILY/NAME.TAG/
      necks/FAMILY/NAME.TAG/
      heads/TASK/NAME.TAG/
      networks/TASK/NAME.TAG/
        config.json                architecture, model_args, num_classes, num_features, pretrained_cfg
        model.safetensors          the weights, and in their header what a training run says of them
        model.json                 the record: "schema": 1
        README.md                  the model card, made from the record
        source/*.py                the user's own code, with its digests in the record; it is never run from here
        conversions/PLATFORM/      the network for a platform, see `plainnet.platforms`
      index.sqlite                 made from the records
      index.behind                 there while the index does not know of a change
      lock, .writing/              of processes that write
"""
