module trisiel

go 1.21
