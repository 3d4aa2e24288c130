"""Every page and picture, of one design: plain data in, HTML or SVG out. Nothing here knows what a run or a network is."""
