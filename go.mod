module github.com/kvaccel/kvaccel

go 1.26
