#!/bin/sh
# Writes FOLDER/trisiel-DATE.tar and removes archives older than TRISIEL_BACKUP_DAYS days (28). An archive that is not
# finished has another name, so that nobody takes it for a whole one.
set -eu
folder=$1
program=$(dirname "$(dirname "$(dirname "$0")")")
mkdir -p "$folder"
name=trisiel-$(date -u +%Y%m%dT%H%M%SZ).tar
"$program/bin/trisiel.js" backup "$folder/.$name"
mv "$folder/.$name" "$folder/$name"
find "$folder" -maxdepth 1 -name 'trisiel-*.tar' -mtime "+${TRISIEL_BACKUP_DAYS:-28}" -delete
