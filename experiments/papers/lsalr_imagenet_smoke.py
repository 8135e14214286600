"""A smoke run of lsalr_imagenet: the same program, a few steps, on CIFAR-10 written out as ImageNet is.

Run      python -m experiments write-folders --out FOLDER --limit 50
         python -m experiments run lsalr_imagenet_smoke --data FOLDER  (two CPU cores, minutes)
         python -m experiments pipeline --data FOLDER     (reading alone; FOLDER with --limit 3000, say)
Expect   nothing of a method: that 256 x 256 pictures in folders become batches, that AlexNet trains on
         them with dropout, that it is evaluated, and how many pictures a second that is: meta.json.

Of ImageNet's settings only how much is done differs: batches of 32 pictures, 4 steps, 20 training
pictures evaluated. The net keeps its 1,000 outputs, so the loss begins near log 1,000 = 6.9.
"""

import dataclasses

from experiments.papers import lsalr_imagenet

EXPERIMENT = dataclasses.replace(
    lsalr_imagenet.EXPERIMENT,
    title="Smoke run: AlexNet, 4 steps on CIFAR-10 in folders of 256 × 256 JPEG pictures",
    batch_size=32,
    steps=4,
    evaluate_at=(4,),
    train_pictures_evaluated=20,
    trials={name: dataclasses.replace(trial, published={}) for name, trial in lsalr_imagenet.EXPERIMENT.trials.items()},
)
