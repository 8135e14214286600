"""A smoke run of lsalr_imagenet: the same program, a few steps, on CIFAR-10 written out as ImageNet is.

Run      python -m experiments write-folders --out FOLDER --limit 100
         python -m experiments run lsalr_imagenet_smoke --data FOLDER  (two CPU cores, SECONDS)
Expect   nothing of a method: that 256 x 256 pictures in folders become batches, that AlexNet trains on
         them with dropout, that it is evaluated, and how many pictures a second that is: meta.json.

Of ImageNet's settings only how much is done differs: batches of 32 pictures, 8 steps, 50 training
pictures evaluated. The net keeps its 1,000 outputs, so the loss begins near log 1,000 = 6.9.
"""

import dataclasses

from experiments import lsalr_imagenet

EXPERIMENT = dataclasses.replace(
    lsalr_imagenet.EXPERIMENT,
    title="Smoke run: AlexNet, 8 steps on CIFAR-10 in folders of 256 × 256 JPEG pictures",
    batch_size=32,
    steps=8,
    evaluate_at=(4, 8),
    train_pictures_evaluated=50,
    trials={name: dataclasses.replace(trial, published={}) for name, trial in lsalr_imagenet.EXPERIMENT.trials.items()},
)
