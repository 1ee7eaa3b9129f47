package mutation

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
)

// Go finds the faults that can be planted in a Go source of the emulator: in
// conditions, comparisons, sums and assignments. What only the compiler could tell
// apart (types) is not looked at: a fault that does not compile is left out later.
func Go(path, text string) ([]Fault, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	g := &gofaults{path: path, text: text, fset: fset}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			ast.Inspect(f.Body, g.visit)
		}
	}
	return g.faults, nil
}

type gofaults struct {
	path, text string
	fset       *token.FileSet
	faults     []Fault
}

// goSwaps are the operators and what stands in their place; those of truth values
// and those of numbers are planted in different ways.
var goSwaps = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.AND: token.OR, token.OR: token.AND, token.SHL: token.SHR, token.SHR: token.SHL,
}

func (g *gofaults) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		if n.Init == nil {
			g.add(n.Cond, "the condition is inverted", "!("+g.source(n.Cond)+")", true)
		}
	case *ast.BinaryExpr:
		g.binary(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			g.addStatement(n, "the assignment is dropped")
		}
	case *ast.IncDecStmt:
		g.addStatement(n, "the step is dropped")
	case *ast.ForStmt: // its init and post statements have no room for an if
		ast.Inspect(n.Body, g.visit)
		return false
	case *ast.GenDecl, *ast.SwitchStmt:
		if s, ok := n.(*ast.SwitchStmt); ok {
			ast.Inspect(s.Body, g.visit)
		}
		return false
	}
	return true
}

func (g *gofaults) binary(n *ast.BinaryExpr) {
	left, right := g.source(n.X), g.source(n.Y)
	if with, ok := goSwaps[n.Op]; ok {
		g.add(n, fmt.Sprintf("%s becomes %s", n.Op, with), fmt.Sprintf("%s %s %s", left, with, right), truth(n.Op))
	}
	if c, ok := n.Y.(*ast.BasicLit); ok && c.Kind == token.INT {
		if v, err := strconv.ParseUint(c.Value, 0, 63); err == nil {
			g.add(n, fmt.Sprintf("%s becomes %d", c.Value, v+1), fmt.Sprintf("%s %s %d", left, n.Op, v+1), truth(n.Op))
		}
	}
}

func truth(op token.Token) bool {
	switch op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR:
		return true
	}
	return false
}

func (g *gofaults) source(n ast.Node) string {
	from, to := g.span(n)
	return g.text[from:to]
}

func (g *gofaults) span(n ast.Node) (from, to int) {
	return g.fset.Position(n.Pos()).Offset, g.fset.Position(n.End()).Offset
}

// The kinds of a fault of Go: what the text that replaces it looks like.
const (
	goTruth     = "truth"
	goNumber    = "number"
	goStatement = "statement"
)

func (g *gofaults) add(n ast.Expr, what, with string, isTruth bool) {
	kind := goNumber
	if isTruth {
		kind = goTruth
	}
	g.record(n, what, with, kind)
}

func (g *gofaults) addStatement(n ast.Stmt, what string) { g.record(n, what, "", goStatement) }

func (g *gofaults) record(n ast.Node, what, with, kind string) {
	from, to := g.span(n)
	g.faults = append(g.faults, Fault{
		File: g.path, Line: g.fset.Position(n.Pos()).Line, What: what, kind: kind,
		From: from, To: to, Was: g.text[from:to], Text: with,
	})
}

// chooseGo plants faults of one place of a Go source.
func chooseGo(was string, faults []Fault) string {
	s := was
	for _, f := range faults {
		switch f.kind {
		case goTruth:
			s = fmt.Sprintf("(mutantID == %d && (%s) || mutantID != %d && (%s))", f.ID, f.Text, f.ID, s)
		case goNumber:
			s = fmt.Sprintf("mutantPick(%d, %s, %s)", f.ID, f.Text, s)
		default:
			s = fmt.Sprintf("if mutantID != %d { %s }", f.ID, s)
		}
	}
	return s
}

// goSelector is the file that a package with planted faults gets beside it.
const goSelector = `package %s

import (
	"os"
	"strconv"
)

var mutantID, _ = strconv.Atoi(os.Getenv("` + Variable + `"))

func mutantPick[T any](id int, with, was T) T {
	if mutantID == id {
		return with
	}
	return was
}
`

// chooseVerilog plants faults of one expression of a SystemVerilog source.
func chooseVerilog(was string, faults []Fault) string {
	s := "(" + was + ")"
	for _, f := range faults {
		s = fmt.Sprintf("((kv_mutant::id == %d) ? (%s) : %s)", f.ID, f.Text, s)
	}
	return s
}

// The files that the Verilog with planted faults gets beside it.
const (
	verilogSelector = `package kv_mutant;
  import "DPI-C" function int kv_mutant_id();
  int id = kv_mutant_id();
endpackage
`
	verilogSelectorCPP = `#include <cstdlib>
extern "C" int kv_mutant_id() {
  const char* s = std::getenv("` + Variable + `");
  return s ? std::atoi(s) : 0;
}
`
)
