package sweep

import "go.yaml.in/yaml/v3"

// maxNodes bounds the values of a sweep file with every alias written out. One
// without aliases has fewer: each takes a byte and something between.
const maxNodes = maxFile

// checkAliases fails if an alias stands for something that it is part of, or if the
// file were too long without aliases: a few of them can multiply it at will.
func checkAliases(n node) error {
	a := aliases{size: map[*yaml.Node]int{}}
	if total := a.expand(n.Node); a.circle != nil {
		return node{n.file, a.circle}.fail("an alias stands for a list that it is part of")
	} else if total > maxNodes {
		return n.at(a.widest).fail("with its aliases written out the file has more than %d values", maxNodes)
	}
	return nil
}

type aliases struct {
	size   map[*yaml.Node]int // of what is known; 0 while it is being looked at
	circle *yaml.Node         // an alias within what it stands for
	widest *yaml.Node         // where the bound was first exceeded
}

// expand counts the values of a node with its aliases written out, up to a bit more than
// maxNodes.
func (a *aliases) expand(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		if size, seen := a.size[n.Alias]; seen && size == 0 {
			a.circle = n
			return 1
		}
		n = n.Alias
	}
	if size, seen := a.size[n]; seen {
		return size
	}
	a.size[n] = 0
	total := 1
	for _, c := range n.Content {
		if total += a.expand(c); total > maxNodes {
			total = maxNodes + 1
			if a.widest == nil {
				a.widest = n
			}
		}
	}
	a.size[n] = total
	return total
}
