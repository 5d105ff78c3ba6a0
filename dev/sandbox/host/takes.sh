#!/bin/bash
# takes.sh FOLDER -- whether the file system of FOLDER can hold a part of an overlay on this machine's files: device
# files that hide others, and attributes in the trusted namespace.
set -u
trial=${1:?usage: takes.sh FOLDER}/trial.$$
mkdir -p "$trial/upper" "$trial/work" "$trial/root"
unshare -m mount -t overlay overlay -o "lowerdir=/usr,upperdir=$trial/upper,workdir=$trial/work" "$trial/root"
status=$?
rm -rf "$trial"
exit "$status"
