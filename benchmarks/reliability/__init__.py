"""Damage, cuts and kills, done to evcodec's files and to its peers' alike: docs/reliability.md."""
